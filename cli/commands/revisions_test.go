package commands

import (
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// asking is a client of an API without a bus.
func asking(url string) *client {
	c := newClient(genericiooptions.NewTestIOStreamsDiscard())
	c.headers = func(next http.RoundTripper) http.RoundTripper { return next }
	*c.APIServer = url
	return c
}

// TestE5LongHistoriesComeInPages: all of one, its newest part, and no more than
// is needed.
func TestE5LongHistoriesComeInPages(t *testing.T) {
	server := apitest.New(t, nil)
	server.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "default"}})
	key := proto.Resource{Name: "configmaps"}.Key("default", "m")
	const all = 2*pageRevisions + 10
	for i := range all - 1 {
		patch := events.Patch{Key: key, Type: types.MergePatchType, Data: fmt.Appendf(nil, `{"data":{"k":"%d"}}`, i)}
		if _, err := server.Logs.Submit(t.Context(), events.Command{Actor: "user:a", Action: patch}); err != nil {
			t.Fatal(err)
		}
	}
	c := asking(server.URL)
	for _, test := range []struct {
		limit, enough, want int
		more                bool
	}{
		{0, all, all, false}, {all, all, all, false}, {pageRevisions + 1, all, pageRevisions + 1, true}, {1, all, 1, true}, {0, 1, pageRevisions, true},
	} {
		list, err := c.revisions(t.Context(), key, nil, test.limit, func(r []history.Revision) bool { return len(r) >= test.enough })
		if err != nil || len(list.Revisions) != test.want || list.More != test.more {
			t.Errorf("limit %d, enough are %d: %d revisions, more %t, %v", test.limit, test.enough, len(list.Revisions), list.More, err)
			continue
		}
		for i := range list.Revisions[1:] {
			before, after := list.Revisions[i], list.Revisions[i+1]
			if after.Seq != before.Seq+1 || len(after.Changes) != 1 || before.Created != (test.want == all && i == 0) {
				t.Fatalf("limit %d: %+v follows %+v", test.limit, after, before)
			}
		}
	}
}
