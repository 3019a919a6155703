package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"segno/proto"
)

// Bounds of what a program may say: it may be anything.
const (
	maxFindings = 100_000 // of a version that does everything otherwise
	maxLine     = 16 << 20
	maxSaid     = 512 << 20
	maxWords    = 4 << 10 // on its standard error
	maxVersion  = 100
)

// linger is how long a program that was ended may hold its output open.
const linger = time.Second

// examined is what one program found.
type examined struct {
	version string
	done    int
	ended   bool
	found   map[place]Finding
	named   map[proto.Seq]string // under which names each transaction would be recorded
	names   map[string]string    // each of these once
	said    int                  // bytes
}

// examine runs one program on the file.
func examine(ctx context.Context, cfg Config, program string, before int) (*examined, error) {
	file, err := os.Open(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("examine the history: %w", err)
	}
	defer file.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(ctx, program, Command)
	var words firstWords
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = file, &words, linger
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	e := &examined{found: map[place]Finding{}, named: map[proto.Seq]string{}, names: map[string]string{}}
	err = e.read(out, func(done int) {
		if cfg.Progress != nil {
			cfg.Progress(before + min(done, cfg.transactions()))
		}
	})
	if err != nil {
		end() // it may go on for ever
	}
	failed := cmd.Wait()
	switch {
	case err != nil:
		return nil, e.failure(program, words.String(), err)
	case failed != nil || !e.ended || e.version == "":
		return nil, e.failure(program, words.String(), failed)
	}
	return e, nil
}

// firstWords keeps the beginning of what is written.
type firstWords struct{ bytes.Buffer }

// Write implements io.Writer.
func (w *firstWords) Write(data []byte) (int, error) {
	w.Buffer.Write(data[:min(len(data), maxWords-w.Len())])
	return len(data), nil
}

// failure explains why a program did not come to the end.
func (e *examined) failure(program, words string, err error) error {
	words = strings.TrimSpace(words)
	if err == nil {
		err = errEnded
	}
	if e.version == "" {
		return fmt.Errorf("%s cannot examine a history: %w: %q\nIt must be a segno that has the command %s", program, err, words, Command)
	}
	return fmt.Errorf("%s (version %q) cannot go through the history: %w: %q", program, e.version, err, words)
}

var errEnded = errors.New("it ended early")

// read takes what the program says until it ends.
func (e *examined) read(r io.Reader, tell func(done int)) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		if e.said += len(in.Bytes()); e.said > maxSaid || len(e.found) > maxFindings {
			return fmt.Errorf("more than %d findings, or %d MiB of them; take a shorter span with --from", maxFindings, maxSaid>>20)
		}
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return fmt.Errorf("read what it found: %w", err)
		}
		if err := e.take(l, tell); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read what it found: %w", err)
	}
	return nil
}

// name keeps the names of a transaction, whose texts are few.
func (e *examined) name(seq proto.Seq, facts string) {
	if _, ok := e.names[facts]; !ok {
		e.names[facts] = facts
	}
	e.named[seq] = e.names[facts]
}

func (e *examined) take(l line, tell func(done int)) error {
	switch {
	case e.version == "":
		if l.Version == "" || len(l.Version) > maxVersion {
			return errors.New("it does not begin with its version")
		}
		e.version = l.Version
	case l.Finding != nil:
		e.found[place{l.Finding.Seq, l.Finding.Object}] = *l.Finding
	case l.Seq > 0:
		e.name(l.Seq, l.Facts)
	case l.Done < e.done:
		return fmt.Errorf("it was at transaction %d, and then at %d", e.done, l.Done)
	default:
		e.done, e.ended = l.Done, l.End
		tell(l.Done)
	}
	return nil
}
