package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"segno/agents/runtime"
)

// Run runs the whole suite.
func Run(t *testing.T, h *Harness) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"Life", life},
		{"EveryCallMayBeRepeated", repeated},
		{"ARestartedAgentFindsEverything", adoption},
		{"ExitCodes", exitCodes},
		{"StopAndKill", stopAndKill},
		{"OutOfMemory", outOfMemory},
		{"WatchTellsOfAnEnd", watchTells},
		{"Logs", logs},
		{"LogsFollow", logsFollow},
		{"LogsOfThePreviousAttempt", logsPrevious},
		{"Exec", execs},
		{"ExecReadsStdin", execStdin},
		{"ExecNeedsARunningContainer", execNotRunning},
		{"AttachFollowsTheOutput", attach},
		{"MissingImage", missingImage},
		{"NothingThere", nothingThere},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newBench(t, h)) })
	}
	t.Run("NothingIsLeft", func(t *testing.T) {
		left, err := h.Runtime.List(t.Context())
		if err != nil || len(left) != 0 {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
}

func life(b *bench) {
	rt, ctx := b.h.Runtime, b.Context()
	b.sandbox()
	have, err := rt.Inspect(ctx, b.uid)
	b.must(err)
	if s := have.Sandbox; s == nil || s.State != runtime.Running || s.ID == "" {
		b.Fatalf("sandbox: %+v", s)
	}
	spec := b.spec("web", 0, Behaviour{Forever: true, Log: "ready"})
	b.must(rt.CreateContainer(ctx, spec))
	if c := b.get(spec.Ref); c.State != runtime.Created || !c.StartedAt.IsZero() {
		b.Errorf("created: %+v", c)
	}
	b.must(rt.StartContainer(ctx, spec.Ref))
	running := b.get(spec.Ref)
	if running.State != runtime.Running || time.Since(running.StartedAt) > time.Minute || running.ID == "" || running.ImageID == "" {
		b.Errorf("running: %+v", running)
	}
	b.logged(spec.Ref, "ready") // a signal before that meets what starts the program
	b.must(rt.StopContainer(ctx, spec.Ref, false))
	if c := b.ended(spec.Ref); c.ExitCode != 143 || c.FinishedAt.Before(c.StartedAt) || c.ID != running.ID || c.OOMKilled {
		b.Errorf("stopped: %+v", c)
	}
	b.must(rt.RemoveContainer(ctx, spec.Ref))
	b.must(rt.RemoveSandbox(ctx, b.uid))
	have, err = rt.Inspect(ctx, b.uid)
	if err != nil || !have.Empty() {
		b.Errorf("removed: %+v, %v", have, err)
	}
}

func repeated(b *bench) {
	rt, ctx := b.h.Runtime, b.Context()
	b.sandbox()
	before, err := rt.Inspect(ctx, b.uid)
	b.must(err)
	b.sandbox()
	spec := b.spec("web", 0, Behaviour{Forever: true})
	for range 2 {
		b.must(rt.CreateContainer(ctx, spec))
	}
	b.must(rt.StartContainer(ctx, spec.Ref))
	first := b.get(spec.Ref)
	b.must(rt.StartContainer(ctx, spec.Ref))
	b.must(rt.CreateContainer(ctx, spec))
	after, err := rt.Inspect(ctx, b.uid)
	b.must(err)
	if before.Sandbox.ID != after.Sandbox.ID || len(after.Containers) != 1 || after.Containers[0].ID != first.ID || after.Containers[0].StartedAt != first.StartedAt {
		b.Errorf("a repeated call changed something: %+v, %+v", before, after)
	}
	for range 2 {
		b.must(rt.StopContainer(ctx, spec.Ref, true))
	}
	b.ended(spec.Ref)
	b.must(rt.StopContainer(ctx, spec.Ref, false))
	b.must(rt.StartContainer(ctx, spec.Ref)) // exited: stays so
	if c := b.get(spec.Ref); c.State != runtime.Exited {
		b.Errorf("a second start ran it again: %+v", c)
	}
	for range 2 {
		b.must(rt.RemoveContainer(ctx, spec.Ref))
	}
	for range 2 {
		b.must(rt.RemoveSandbox(ctx, b.uid))
	}
}

func adoption(b *bench) {
	b.sandbox()
	ref := b.run("web", 5, Behaviour{Forever: true})
	spec := b.spec("web", 5, Behaviour{Forever: true})
	before, err := b.h.Runtime.Inspect(b.Context(), b.uid)
	b.must(err)
	all, err := b.h.Again(b.T).List(b.Context())
	b.must(err)
	var found runtime.Pod
	for _, p := range all {
		if p.UID == b.uid {
			found = p
		}
	}
	if found.Namespace != "default" || found.Name != "pod-"+b.uid || found.Sandbox == nil || len(found.Containers) != 1 {
		b.Fatalf("found %+v", found)
	}
	s, want := found.Sandbox, b.sandboxSpec()
	if s.Attempt != want.Attempt || s.Address != want.Address || s.HostNetwork || s.ID != before.Sandbox.ID || s.PID != before.Sandbox.PID {
		b.Errorf("sandbox: %+v", s)
	}
	c := found.Containers[0]
	if c.Ref != ref || c.Sandbox != 3 || c.Streak != 2 || c.Seq != 41 || c.Image != spec.Image || c.State != runtime.Running || c.ID != before.Containers[0].ID {
		b.Errorf("container: %+v", c)
	}
}

func exitCodes(b *bench) {
	b.sandbox()
	for i, code := range []int{0, 1, 7, 255} {
		ref := b.run("job", i, Behaviour{ExitCode: code})
		if c := b.ended(ref); c.ExitCode != code || c.OOMKilled || c.Message != "" || c.StartedAt.IsZero() {
			b.Errorf("exit code %d: %+v", code, c)
		}
	}
}

func stopAndKill(b *bench) {
	b.sandbox()
	ref := b.run("stubborn", 0, Behaviour{Forever: true, IgnoreTerm: true, Log: "ready"})
	b.logged(ref, "ready") // its signals are ignored from here on
	b.must(b.h.Runtime.StopContainer(b.Context(), ref, false))
	if c := b.get(ref); c.State != runtime.Running {
		b.Fatalf("the signal was not ignored: %+v", c)
	}
	b.must(b.h.Runtime.StopContainer(b.Context(), ref, true))
	if c := b.ended(ref); c.ExitCode != 137 || c.OOMKilled {
		b.Errorf("killed: %+v", c)
	}
}

func outOfMemory(b *bench) {
	b.sandbox()
	ref := b.run("greedy", 0, Behaviour{OOM: true})
	if c := b.ended(ref); !c.OOMKilled || c.ExitCode != 137 {
		b.Errorf("out of memory: %+v", c)
	}
}

func watchTells(b *bench) {
	b.sandbox()
	ref := b.run("job", 0, Behaviour{RunFor: 300 * time.Millisecond, ExitCode: 3})
	if c := b.ended(ref); c.ExitCode != 3 {
		b.Errorf("ended: %+v", c)
	}
}

// logged waits until the text is in the container's log.
func (b *bench) logged(ref runtime.Ref, text string) {
	b.Helper()
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	found := &finder{text: text, found: cancel}
	_ = b.h.Runtime.Logs(ctx, ref, runtime.LogOptions{Follow: true}, found, found)
	if !strings.Contains(found.seen.String(), text) {
		b.Fatalf("%q did not come within %s, but: %s", text, patience, found.seen.String())
	}
}

type finder struct {
	seen  bytes.Buffer
	text  string
	found func()
}

func (f *finder) Write(p []byte) (int, error) {
	n, err := f.seen.Write(p)
	if strings.Contains(f.seen.String(), f.text) {
		f.found()
	}
	return n, err
}

func (b *bench) log(ref runtime.Ref, options runtime.LogOptions) string {
	b.Helper()
	var out bytes.Buffer
	b.must(b.h.Runtime.Logs(b.Context(), ref, options, &out, &out))
	return out.String()
}

func logs(b *bench) {
	b.sandbox()
	before := time.Now()
	ref := b.run("job", 0, Behaviour{Log: "one\ntwo\nthree"})
	b.ended(ref)
	all := b.log(ref, runtime.LogOptions{})
	if !strings.Contains(all, "one\ntwo\nthree\n") {
		b.Fatalf("log: %q", all)
	}
	lines := strings.Split(strings.TrimSuffix(all, "\n"), "\n")
	for n := range int64(len(lines) + 2) {
		want := strings.Join(lines[max(0, len(lines)-int(n)):], "\n")
		if got := strings.TrimSuffix(b.log(ref, runtime.LogOptions{Tail: &n}), "\n"); got != want {
			b.Errorf("tail %d: %q, want %q", n, got, want)
		}
	}
	if got := b.log(ref, runtime.LogOptions{Since: before.Add(-time.Second)}); got != all {
		b.Errorf("since before the start: %q", got)
	}
	if got := b.log(ref, runtime.LogOptions{Since: time.Now().Add(time.Hour)}); got != "" {
		b.Errorf("since the future: %q", got)
	}
	for i, line := range strings.Split(strings.TrimSuffix(b.log(ref, runtime.LogOptions{Timestamps: true}), "\n"), "\n") {
		stamp, text, _ := strings.Cut(line, " ")
		if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || at.Before(before.Add(-time.Second)) || text != lines[i] {
			b.Errorf("with timestamp: %q, want a time and %q", line, lines[i])
		}
	}
}

func logsFollow(b *bench) {
	b.sandbox()
	ref := b.run("job", 0, Behaviour{Log: "begun", RunFor: 300 * time.Millisecond})
	followed := b.log(ref, runtime.LogOptions{Follow: true})
	c := b.ended(ref)
	if got := b.log(ref, runtime.LogOptions{}); got != followed || !strings.Contains(got, "begun") {
		b.Errorf("followed %q, then %q of %+v", followed, got, c)
	}
	forever := b.run("server", 0, Behaviour{Log: "serving", Forever: true})
	b.logged(forever, "serving") // also shows that following ends with its context
}

func logsPrevious(b *bench) {
	b.sandbox()
	b.ended(b.run("job", 0, Behaviour{Log: "first try"}))
	second := b.run("job", 1, Behaviour{Log: "second try"})
	b.ended(second)
	first := second
	first.Attempt = 0
	if got := b.log(first, runtime.LogOptions{}); !strings.Contains(got, "first try") || strings.Contains(got, "second") {
		b.Errorf("first: %q", got)
	}
	if got := b.log(second, runtime.LogOptions{}); !strings.Contains(got, "second try") || strings.Contains(got, "first") {
		b.Errorf("second: %q", got)
	}
}

func execs(b *bench) {
	b.sandbox()
	ref := b.run("web", 0, Behaviour{Forever: true})
	var out bytes.Buffer
	code, err := b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{Command: []string{"echo", "hello", "there"}, StreamSet: runtime.StreamSet{Stdout: &out, Stderr: io.Discard}})
	if err != nil || code != 0 || out.String() != "hello there\n" {
		b.Errorf("echo: %d, %v, %q", code, err, out.String())
	}
	for _, want := range []int{0, 1, 42} {
		code, err := b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{Command: []string{"sh", "-c", fmt.Sprintf("exit %d", want)}})
		if err != nil || code != want {
			b.Errorf("exit %d: %d, %v", want, code, err)
		}
	}
	out.Reset()
	sizes := make(chan runtime.Size, 1)
	sizes <- runtime.Size{Width: 100, Height: 40}
	code, err = b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{Command: []string{"echo", "on a terminal"}, StreamSet: runtime.StreamSet{Stdout: &out, TTY: true, Resize: sizes}})
	if err != nil || code != 0 || strings.TrimSpace(out.String()) != "on a terminal" {
		b.Errorf("echo on a terminal: %d, %v, %q", code, err, out.String())
	}
}

func execStdin(b *bench) {
	b.sandbox()
	ref := b.run("web", 0, Behaviour{Forever: true})
	text := strings.Repeat("all that comes in goes out again\n", 20000)
	var out bytes.Buffer
	code, err := b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{
		Command: []string{"cat"}, StreamSet: runtime.StreamSet{Stdin: strings.NewReader(text), Stdout: &out},
	})
	if err != nil || code != 0 || out.String() != text {
		b.Errorf("cat: %d, %v, %d bytes of %d", code, err, out.Len(), len(text))
	}
}

func execNotRunning(b *bench) {
	b.sandbox()
	ref := b.run("job", 0, Behaviour{})
	b.ended(ref)
	if _, err := b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{Command: []string{"true"}}); !errors.Is(err, runtime.ErrNotRunning) {
		b.Errorf("exec in an ended container: %v", err)
	}
	ref.Attempt = 9
	if _, err := b.h.Runtime.Exec(b.Context(), ref, runtime.Exec{Command: []string{"true"}}); !errors.Is(err, runtime.ErrNotFound) {
		b.Errorf("exec in no container: %v", err)
	}
}

func attach(b *bench) {
	b.sandbox()
	var ref runtime.Ref
	var out bytes.Buffer
	err := runtime.ErrNotRunning
	// On a slow machine a container may be over before it is attached to.
	for attempt, lives := 0, 300*time.Millisecond; errors.Is(err, runtime.ErrNotRunning) && lives < time.Minute; attempt, lives = attempt+1, 3*lives {
		ref = b.run("job", attempt, Behaviour{RunFor: lives})
		err = b.h.Runtime.Attach(b.Context(), ref, runtime.StreamSet{Stdout: &out, Stderr: &out})
	}
	if err != nil {
		b.Errorf("attach: %v", err)
	}
	b.ended(ref)
	if err := b.h.Runtime.Attach(b.Context(), ref, runtime.StreamSet{Stdout: &out}); !errors.Is(err, runtime.ErrNotRunning) {
		b.Errorf("attach to an ended container: %v", err)
	}
}

func missingImage(b *bench) {
	rt, ctx := b.h.Runtime, b.Context()
	b.sandbox()
	spec := b.spec("web", 0, Behaviour{Forever: true})
	if image, err := rt.Image(ctx, spec.Image); err != nil || image.ID == "" {
		b.Errorf("image %s: %+v, %v", spec.Image, image, err)
	}
	spec.Image = b.h.MissingImage
	if _, err := rt.Image(ctx, spec.Image); !errors.Is(err, runtime.ErrNoImage) {
		b.Errorf("image %s: %v", spec.Image, err)
	}
	if err := rt.CreateContainer(ctx, spec); !errors.Is(err, runtime.ErrNoImage) {
		b.Errorf("create: %v", err)
	}
	if err := rt.PullImage(ctx, spec.Image); err == nil || errors.Is(err, runtime.ErrDown) {
		b.Errorf("pull: %v", err)
	}
	if have, err := rt.Inspect(ctx, b.uid); err != nil || len(have.Containers) != 0 {
		b.Errorf("after a missing image: %+v, %v", have, err)
	}
}

func nothingThere(b *bench) {
	rt, ctx := b.h.Runtime, b.Context()
	ref := runtime.Ref{UID: b.uid, Container: "web"}
	if have, err := rt.Inspect(ctx, b.uid); err != nil || !have.Empty() {
		b.Errorf("inspect: %+v, %v", have, err)
	}
	if err := rt.StartContainer(ctx, ref); !errors.Is(err, runtime.ErrNotFound) {
		b.Errorf("start: %v", err)
	}
	if err := rt.StopContainer(ctx, ref, false); !errors.Is(err, runtime.ErrNotFound) {
		b.Errorf("stop: %v", err)
	}
	if err := rt.Logs(ctx, ref, runtime.LogOptions{}, io.Discard, io.Discard); !errors.Is(err, runtime.ErrNotFound) {
		b.Errorf("logs: %v", err)
	}
	b.must(rt.RemoveContainer(ctx, ref))
	b.must(rt.RemoveSandbox(ctx, b.uid))
}
