package cluster

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"segno/cli/archive"
	"segno/proto"
)

// get answers a path of the API as it is.
func (w *world) get(path string) (code int, body io.ReadCloser) {
	w.t.Helper()
	answer, err := w.http.Get("http://segno" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, answer.Body
}

// TestE9ASpanIsTakenHome downloads a span and folds it: every state is the one
// that the cluster recorded.
func TestE9ASpanIsTakenHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		begin := w.cluster.View().Seq()
		w.create(web(3, "nginx:1"))
		w.follow("all run", func() bool { return ready(w.pods(), "") == 3 })
		for path, from := range map[string]proto.Seq{
			"?secrets=true":                               1,
			"?secrets=true&from=" + begin.String():        begin,
			"?secrets=true&to=now&from=" + begin.String(): begin,
		} {
			code, body := w.get("/apis/history.segno/v1/export" + path)
			if code != http.StatusOK {
				t.Fatalf("export%s: %d", path, code)
			}
			a, err := archive.Open(w.ctx, body, archive.OpenConfig{Table: w.cluster.table})
			_ = body.Close()
			if err != nil {
				t.Fatalf("export%s: %v", path, err)
			}
			if a.Differs != 0 || a.Starts[proto.StreamEvents].Seq != from-1 {
				t.Errorf("export%s begins behind %s, and differs at %s", path, a.Starts[proto.StreamEvents].Seq, a.Differs)
			}
			fold := a.Logs[proto.StreamEvents]
			want, err := w.cluster.ledgers.events().StateHashAt(fold.Position().Seq)
			if err != nil || fold.StateHash() != want {
				t.Errorf("export%s ends with state %s, the cluster had %s: %v", path, fold.StateHash().Short(), want.Short(), err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, path := range []string{"?from=9&to=3", "?from=999999", "?from=x", "?to=soon"} {
			code, body := w.get("/apis/history.segno/v1/export" + path)
			_ = body.Close()
			if code != http.StatusBadRequest {
				t.Errorf("export%s answers %d", path, code)
			}
		}
	})
}
