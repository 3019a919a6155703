package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/events"
	"segno/proto"
)

// noted keeps what is recorded.
type noted struct {
	api.Audit
	mu     sync.Mutex
	events []*proto.AuditEvent
}

func (n *noted) Record(event *proto.AuditEvent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, event)
}

// take answers what was recorded since it was last asked, a line each.
func (n *noted) take() (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		out = append(out, fmt.Sprintf("%s %d %s %s%s", e.Verb, e.ResponseStatus.Code, e.ResponseStatus.Reason, e.Stage, answered(e)))
	}
	n.events = nil
	return out
}

func answered(e *proto.AuditEvent) string {
	if code := e.Annotations[proto.AuditAnswered]; code != "" {
		return " after " + code
	}
	return ""
}

// burdened is a store that takes nothing.
type burdened struct {
	failing
	say func(ctx context.Context) error
}

func (b burdened) Submit(ctx context.Context, _ events.Command) (events.Outcome, error) {
	return events.Outcome{}, b.say(ctx)
}

// broken is a past that breaks off.
type broken struct{ api.History }

func (b broken) Events(ctx context.Context, stream string, from proto.Seq, follow bool) iter.Seq2[*proto.Envelope, error] {
	return func(yield func(*proto.Envelope, error) bool) {
		for env, err := range b.History.Events(ctx, stream, from, follow) {
			if !yield(env, err) {
				return
			}
			break
		}
		yield(nil, errors.New("the disk is gone"))
	}
}

func TestE13WhatFailsIsRecordedToo(t *testing.T) {
	record, say := &noted{}, error(nil)
	var leave context.CancelFunc
	c := client{t, apitest.New(t, func(cfg *api.Config) {
		cfg.Audit, cfg.History = record, broken{cfg.History}
	})}
	store := burdened{failing{c.Logs}, func(ctx context.Context) error {
		if say == nil {
			leave()
			return ctx.Err()
		}
		return say
	}}
	handler, err := api.New(api.Config{Table: c.Table, Store: store, History: broken{c.Logs}, Audit: record, MaxBody: 1000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ctx context.Context
		ctx, leave = context.WithCancel(api.WithUser(r.Context(), api.User{Name: "admin", Groups: []string{api.GroupMasters}}))
		defer leave()
		handler.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer server.Close()
	body := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`
	for _, try := range []struct {
		method, path, body string
		say                error
		want               string
	}{
		{"POST", mapsPath, body, apierrors.NewTooManyRequests("busy", 1), "create 429 TooManyRequests ResponseComplete"},
		{"POST", mapsPath, body, apierrors.NewServiceUnavailable("the log takes no writes"), "create 503 ServiceUnavailable ResponseComplete"},
		{"POST", mapsPath, body, errors.New("a defect"), "create 500 InternalError ResponseComplete"},
		{"POST", mapsPath, body, nil, "create 499 ClientLeft ResponseComplete"},
		{"POST", mapsPath, strings.Repeat(" ", 2000), nil, "create 413 RequestEntityTooLarge ResponseComplete"},
		{"PATCH", mapsPath + "/a", "{}", nil, "patch 415 UnsupportedMediaType ResponseComplete"},
		{"GET", "/api/v1/namespaces/default/secrets", "", nil, "list 500 InternalError Panic"},
		{"GET", historyPath + "events", "", nil, "list 500 InternalError ResponseComplete after 200"},
		{"GET", "/version", "", nil, "get 200  ResponseComplete"},
	} {
		say = try.say
		r, err := http.NewRequestWithContext(t.Context(), try.method, server.URL+try.path, strings.NewReader(try.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body) // some are cut off
			_ = answer.Body.Close()
		}
		if got := record.take(); len(got) != 1 || got[0] != try.want {
			t.Errorf("%s %s is recorded as %q, want %q", try.method, try.path, got, try.want)
		}
	}
}

func TestE13AuditIsForAdministratorsAndChecked(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Audit = &noted{} })}
	path := historyPath + "audit"
	for _, user := range []string{"bob", "node:n1"} {
		c.status(c.get(path, apitest.UserHeader+": "+user), 403, "Forbidden", `cannot list resource "audit"`)
	}
	c.status(c.get(path, apitest.UserHeader+": nobody"), 401, "Unauthorized", "")
	c.status(c.get(path+"?outcome=x"), 400, "BadRequest", "must be allowed, refused, missing, failed or a code")
	c.status(c.get(path+"?outcome=99"), 400, "BadRequest", "must be allowed, refused, missing, failed or a code")
	c.status(c.get(path+"?format=x"), 400, "BadRequest", "must be jsonl or cloudevents")
	c.status(c.get(path+"?since=x"), 400, "BadRequest", "moment")
	c.status(c.get(path+"?limit=-1"), 400, "BadRequest", "limit")
	c.status(c.get(path+"?limit=10001"), 400, "BadRequest", "0 is all")
	c.status(c.do("POST", path, ""), 405, "MethodNotAllowed", "")
	c.status(client{t, apitest.New(t, nil)}.get(path), 404, "NotFound", "ask the cluster itself")
}
