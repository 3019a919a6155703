package simulated

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"segno/agents/runtime"
)

type line struct {
	at   time.Time
	text string
}

func (c *container) say(at time.Time, text string) { c.lines = append(c.lines, line{at, text}) }

func (c *container) sayAll(at time.Time, text string) {
	for one := range strings.Lines(text) {
		c.say(at, strings.TrimSuffix(one, "\n"))
	}
}

// Logs writes the synthetic log; everything is on stdout.
func (e *Engine) Logs(ctx context.Context, ref runtime.Ref, options runtime.LogOptions, stdout, _ io.Writer) error {
	written := 0
	for first := true; ; first = false {
		lines, done, err := e.linesAfter(ref, written)
		if err != nil {
			return err
		}
		written += len(lines)
		if first {
			lines = selected(lines, options)
		}
		for _, l := range lines {
			text := l.text + "\n"
			if options.Timestamps {
				text = l.at.UTC().Format(time.RFC3339Nano) + " " + text
			}
			if _, err := io.WriteString(stdout, text); err != nil {
				return fmt.Errorf("write log of %s: %w", ref, err)
			}
		}
		if !options.Follow || done == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
		}
	}
}

// linesAfter answers the lines from the nth on, and a channel that closes at
// the end of a container that runs.
func (e *Engine) linesAfter(ref runtime.Ref, n int) ([]line, <-chan struct{}, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("logs of " + ref.String()); err != nil {
		return nil, nil, err
	}
	c := e.find(ref)
	if c == nil {
		return nil, nil, fmt.Errorf("logs of %s: %w", ref, runtime.ErrNotFound)
	}
	if c.State == runtime.Running && c.done == nil {
		c.done = make(chan struct{})
	}
	return c.lines[min(n, len(c.lines)):len(c.lines):len(c.lines)], c.done, nil
}

// Followed tells whether somebody waits for what a running container writes.
func (e *Engine) Followed(ref runtime.Ref) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	return c != nil && c.done != nil
}

func selected(lines []line, options runtime.LogOptions) []line {
	for len(lines) > 0 && lines[0].at.Before(options.Since) {
		lines = lines[1:]
	}
	if options.Tail != nil && int64(len(lines)) > *options.Tail {
		lines = lines[int64(len(lines))-max(*options.Tail, 0):]
	}
	return lines
}

// Exec plays a few commands (cat, echo, true, false, sh -c "exit N") and says
// of any other that nothing was run.
func (e *Engine) Exec(_ context.Context, ref runtime.Ref, exec runtime.Exec) (int, error) {
	if err := e.mustRun("exec in "+ref.String(), ref); err != nil {
		return 0, err
	}
	if len(exec.Command) == 0 {
		return 0, fmt.Errorf("exec in %s: no command", ref)
	}
	out := exec.Stdout
	if out == nil {
		out = io.Discard
	}
	words := strings.Join(exec.Command[1:], " ")
	switch exec.Command[0] {
	case "true":
		return 0, nil
	case "false":
		return 1, nil
	case "cat":
		if exec.Stdin == nil {
			return 0, nil
		}
		_, err := io.Copy(out, exec.Stdin)
		return 0, err
	case "echo":
		_, err := io.WriteString(out, words+"\n")
		return 0, err
	}
	if code, ok := strings.CutPrefix(words, "-c exit "); ok && exec.Command[0] == "sh" {
		if n, err := strconv.Atoi(code); err == nil {
			return n, nil
		}
	}
	_, err := fmt.Fprintf(out, "simulated: nothing was run for %q\n", exec.Command)
	return 0, err
}

// Attach follows the log.
func (e *Engine) Attach(ctx context.Context, ref runtime.Ref, streams runtime.StreamSet) error {
	if err := e.mustRun("attach to "+ref.String(), ref); err != nil {
		return err
	}
	out := streams.Stdout
	if out == nil {
		out = io.Discard
	}
	none := int64(0)
	return e.Logs(ctx, ref, runtime.LogOptions{Follow: true, Tail: &none}, out, io.Discard)
}

func (e *Engine) mustRun(tried string, ref runtime.Ref) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers(tried); err != nil {
		return err
	}
	switch c := e.find(ref); {
	case c == nil:
		return fmt.Errorf("%s: %w", tried, runtime.ErrNotFound)
	case c.State != runtime.Running:
		return fmt.Errorf("%s: %w", tried, runtime.ErrNotRunning)
	}
	return nil
}
