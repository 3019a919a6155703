package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/events"
	"segno/proto"
)

// watched is a store that tells when a feed is closed.
type watched struct {
	api.Store
	closed chan struct{}
}

type watchedFeed struct {
	api.Feed
	closed func()
}

func (w watched) Follow(kind *events.Kind, after proto.Seq) (api.Feed, error) {
	feed, err := w.Store.Follow(kind, after)
	return watchedFeed{feed, sync.OnceFunc(func() { close(w.closed) })}, err
}

func (f watchedFeed) Close() {
	f.Feed.Close()
	f.closed()
}

// TestAStalledClientHoldsNoFeed: one that takes nothing of what is written is
// cut off; one that has nothing to take is not.
func TestAStalledClientHoldsNoFeed(t *testing.T) {
	store := watched{closed: make(chan struct{})}
	const patience = 200 * time.Millisecond
	c := client{t, apitest.New(t, func(cfg *api.Config) {
		store.Store = cfg.Store
		cfg.Store, cfg.WritePatience, cfg.BookmarkEvery = store, patience, 2*patience
	})}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL+mapsPath+"?watch=true&resourceVersion=3&allowWatchBookmarks=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	// Two bookmarks, each after a longer silence than a write may take.
	quiet := make([]byte, 1024)
	for seen := 0; seen < 2; {
		n, err := answer.Body.Read(quiet)
		if err != nil {
			t.Fatalf("a quiet watch was cut off: %v", err)
		}
		seen += strings.Count(string(quiet[:n]), "BOOKMARK")
	}
	for i := range 200 {
		m := configMap("m" + string(rune('a'+i%26)) + strings.Repeat("x", i/26))
		m.Data["k"] = strings.Repeat("x", 64<<10) // far more in all than the buffers on the way
		c.Create(t, m)
	}
	select {
	case <-store.closed:
	case <-time.After(20 * time.Second):
		t.Error("a client that takes nothing still holds its feed")
	}
}
