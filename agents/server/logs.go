package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/agents/pod"
	"segno/agents/runtime"
)

// logQuery is what a request wants of a log.
type logQuery struct {
	runtime.LogOptions
	previous bool
	limit    int64 // bytes; negative is no limit
	stream   string
}

func (s *server) logs(w http.ResponseWriter, r *http.Request) {
	query, err := readLogQuery(r.URL.Query(), time.Now())
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	want, have, err := s.find(r)
	if err != nil {
		refuse(w, err)
		return
	}
	ref, err := logged(want, have, r.PathValue("container"), query.previous)
	if err != nil {
		refuse(w, err)
		return
	}
	out := &flushing{w: w, left: query.limit}
	stdout, stderr := io.Writer(out), io.Writer(out)
	switch query.stream {
	case "Stdout":
		stderr = io.Discard
	case "Stderr":
		stdout = io.Discard
	}
	err = s.Runtime.Logs(r.Context(), ref, query.LogOptions, stdout, stderr)
	switch {
	case err == nil, errors.Is(err, errFull), r.Context().Err() != nil:
		out.start()
	case !out.started:
		refuse(w, apierrors.NewInternalError(err))
	default:
		s.Logger.Debug("a log ended early", "container", ref.String(), "error", err)
		panic(http.ErrAbortHandler) // or what is there would pass for all of it
	}
}

func readLogQuery(q url.Values, now time.Time) (logQuery, error) {
	out := logQuery{limit: -1, stream: q.Get("stream")}
	var err error
	fail := func(name string, e error) {
		if e != nil && err == nil {
			err = fmt.Errorf("%s=%q: %w", name, q.Get(name), e)
		}
	}
	flag := func(name string, to *bool) {
		if q.Get(name) == "" {
			return
		}
		value, e := strconv.ParseBool(q.Get(name))
		*to = value
		fail(name, e)
	}
	number := func(name string, least int64) *int64 {
		if q.Get(name) == "" {
			return nil
		}
		value, e := strconv.ParseInt(q.Get(name), 10, 64)
		if e == nil && value < least {
			e = fmt.Errorf("must be at least %d", least)
		}
		fail(name, e)
		return &value
	}
	flag("follow", &out.Follow)
	flag("previous", &out.previous)
	flag("timestamps", &out.Timestamps)
	out.Tail = number("tailLines", 0)
	if n := number("limitBytes", 1); n != nil {
		out.limit = *n
	}
	if n := number("sinceSeconds", 1); n != nil {
		out.Since = now.Add(-time.Duration(*n) * time.Second)
	}
	if text := q.Get("sinceTime"); text != "" {
		at, e := time.Parse(time.RFC3339Nano, text)
		fail("sinceTime", e)
		out.Since = at
	}
	return out, err
}

// logged chooses the attempt whose log is asked for.
func logged(want pod.Want, have runtime.Pod, name string, previous bool) (runtime.Ref, error) {
	if !hasContainer(want, name) {
		return runtime.Ref{}, apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, want.Pod.Name))
	}
	latest, there := have.Latest(name)
	if !previous {
		if there && latest.State == runtime.Created && latest.Ref.Attempt > 0 {
			latest, there = have.Attempt(name, latest.Ref.Attempt-1)
		}
		if !there || latest.State == runtime.Created {
			return runtime.Ref{}, apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start", name, want.Pod.Name))
		}
		return latest.Ref, nil
	}
	for attempt := latest.Ref.Attempt - 1; attempt >= 0; attempt-- {
		if before, ok := have.Attempt(name, attempt); ok {
			return before.Ref, nil
		}
	}
	return runtime.Ref{}, apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", name, want.Pod.Name))
}

var errFull = errors.New("the limit is reached")

// flushing sends each line on at once, up to a limit.
type flushing struct {
	w       http.ResponseWriter
	left    int64
	started bool
}

func (f *flushing) start() {
	if !f.started {
		f.started = true
		f.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		f.w.WriteHeader(http.StatusOK)
	}
}

func (f *flushing) Write(p []byte) (int, error) {
	f.start()
	full := false
	if f.left >= 0 && int64(len(p)) >= f.left {
		p, full = p[:f.left], true
	}
	n, err := f.w.Write(p)
	if f.left >= 0 {
		f.left -= int64(n)
	}
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	if err == nil && full {
		err = errFull
	}
	return n, err
}
