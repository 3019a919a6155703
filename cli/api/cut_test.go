package api_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/proto"
)

// stopping is a past that is read while the server goes down.
type stopping struct {
	api.History
	stop context.CancelFunc
}

func (s *stopping) Verify(ctx context.Context, _ proto.Seq, report func(history.Verification)) error {
	report(history.Verification{Stream: proto.StreamEvents, Done: 1, Total: 2})
	s.stop()
	return ctx.Err()
}

func (s *stopping) Events(ctx context.Context, stream string, from proto.Seq, follow bool) iter.Seq2[*proto.Envelope, error] {
	return func(yield func(*proto.Envelope, error) bool) {
		for env, err := range s.History.Events(ctx, stream, from, follow) {
			if !yield(env, err) {
				return
			}
			break
		}
		s.stop()
		yield(nil, ctx.Err())
	}
}

// TestE13ACutAnswerIsNoWholeOne: a client sees that the server went away before
// its answer was complete. One who follows has no end to wait for.
func TestE13ACutAnswerIsNoWholeOne(t *testing.T) {
	past := &stopping{}
	c := apitest.New(t, func(cfg *api.Config) { past.History, cfg.History = cfg.History, past })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(api.WithUser(r.Context(), api.User{Name: "admin", Groups: []string{api.GroupMasters}}))
		defer cancel()
		past.stop = cancel
		c.API.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer server.Close()
	for question, cut := range map[string]bool{"verify": true, "events": true, "events?follow=true&from=1": false} {
		answer, err := http.Get(server.URL + historyPath + question)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if (err != nil) != cut {
			t.Errorf("%s: %v, want an error: %t\n%s", question, err, cut, text)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
