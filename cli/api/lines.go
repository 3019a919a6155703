package api

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
)

// typeLines is the content type of one JSON document a line.
const typeLines = "application/jsonl"

// lines writes JSON documents, one a line.
type lines struct{ *stream }

func (c *call) lines() *lines {
	c.w.Header().Set("Content-Type", typeLines)
	c.w.WriteHeader(http.StatusOK)
	return &lines{c.openStream()}
}

func (l *lines) write(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return l.stream.write(append(data, '\n'))
}

// found is what a log yields at once.
type found[T any] struct {
	item T
	err  error
}

// pour hands each what a source yields, and flushes when there is nothing more
// for the moment. It ends with the source, or when each wants no more of it.
func pour[T any](c *call, out *lines, follow bool, source func(context.Context) iter.Seq2[T, error], each func(*lines, T) (more bool, err error)) error {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	items := make(chan found[T], 64)
	go func() {
		defer close(items)
		for item, err := range source(ctx) {
			select {
			case items <- found[T]{item, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := out.flush(); err != nil {
		return nil
	}
	for f := range items {
		if f.err != nil && ctx.Err() != nil && follow {
			return nil // no end is early for one who follows
		}
		if f.err != nil {
			return f.err // drops the connection: the client must not take a part for the whole
		}
		more, err := each(out, f.item)
		if err == nil && len(items) == 0 {
			err = out.flush()
		}
		if errors.Is(err, errGone) {
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
	if follow {
		return nil
	}
	return ctx.Err()
}
