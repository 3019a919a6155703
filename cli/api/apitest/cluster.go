// Package apitest makes a cluster without a bus or nodes, for tests of what
// speaks to the API: the real decisions, folds and handler behind an
// httptest.Server.
//
// What comes in: a testing.TB. What goes out: a URL, client-go configurations,
// and the logs below. What never happens here: a mock of what can be run.
// Start with this file; door.go is the one way into a log.
package apitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"segno/cli/api"
	"segno/cli/api/logs"
	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// UserHeader names the user of a request; "" is admin. Only this package
// trusts a header.
const UserHeader = "X-Test-User"

// Cluster is a running API.
type Cluster struct {
	Table *events.Table
	API   *api.API
	URL   string
	Logs  *logs.Logs
	Doors map[string]*Door
	Folds map[string]*projections.Projection
}

// New starts a cluster with the namespaces default and kube-system. Change may
// alter the API's configuration first; nil leaves it.
func New(t testing.TB, change func(*api.Config)) *Cluster {
	t.Helper()
	c := &Cluster{Table: kinds.Table(), Doors: map[string]*Door{}, Folds: map[string]*projections.Projection{}}
	all := map[string]logs.Log{}
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		fold, err := projections.Open(projections.Config{Table: c.Table, Retained: stream != proto.StreamEvents})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fold.Close() })
		door := &Door{table: c.Table, fold: fold, clock: time.Now}
		c.Folds[stream], c.Doors[stream] = fold, door
		all[stream] = logs.Log{Fold: fold, Submit: door.Submit}
	}
	var err error
	if c.Logs, err = logs.New(logs.Config{Table: c.Table, Logs: all}); err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{Table: c.Table, Store: c.Logs, History: c.Logs, Past: c.Logs, Finder: c.Logs, Version: version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2+segno"}}
	if change != nil {
		change(&cfg)
	}
	if c.API, err = api.New(cfg); err != nil {
		t.Fatal(err)
	}
	c.serve(t)
	for _, name := range []string{"default", "kube-system", "kube-node-lease"} {
		c.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return c
}

func (c *Cluster) serve(t testing.TB) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := api.User{Name: r.Header.Get(UserHeader)}
		switch user.Name {
		case "":
			user = api.User{Name: "admin", Groups: []string{api.GroupMasters}}
		case "nobody":
			c.API.ServeHTTP(w, r)
			return
		}
		if node := user.Name; len(node) > 5 && node[:5] == "node:" {
			user.Groups = []string{api.GroupNodes}
		}
		c.API.ServeHTTP(w, r.WithContext(api.WithUser(r.Context(), user)))
	}))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	c.URL = server.URL
}

// Create submits an object as the system itself.
func (c *Cluster) Create(t testing.TB, obj events.Object) events.Object {
	t.Helper()
	for _, kind := range c.Table.All() {
		if _, same := sameType(kind, obj); !same {
			continue
		}
		out, err := c.Logs.Submit(context.Background(), events.Command{
			Actor: "system:test", Via: "test", Correlation: "test",
			Action: events.Create{Key: kind.KeyOf(obj), Object: obj, UID: types.UID(kind.GVK.Kind + "-" + obj.GetName()), NameSuffix: "xxxxx"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Object
	}
	t.Fatalf("no kind for %T", obj)
	return nil
}

// Config is a client-go configuration that is not limited in its rate.
func (c *Cluster) Config() *rest.Config {
	return &rest.Config{Host: c.URL, QPS: -1, UserAgent: "apitest/1 (linux/amd64)"}
}
