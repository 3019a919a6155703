package api_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// TestE8Questions asks about what controllers made, and refuses what cannot be
// asked.
func TestE8Questions(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	chained(t, c)
	of := historyPath + "why?resource=pods&namespace=default&name=web-1&question="
	var why history.Why
	c.into(c.get(of+"deleted"), 200, &why)
	if why.Answer == nil || why.Answer.Applies || len(why.Roots) != 0 || !strings.Contains(why.Answer.Says[0], "nobody has asked for its deletion") {
		t.Errorf("deleted: %+v", why.Answer)
	}
	why = history.Why{}
	c.into(c.get(of+"not-ready"), 200, &why)
	if !why.Answer.Applies || len(why.Roots) != 1 || why.Roots[0].Via != "segno apply -f web.yaml" {
		t.Errorf("not ready: %+v %+v", why.Answer, why.Roots)
	}
	why = history.Why{}
	c.into(c.get(of+"pending"), 200, &why)
	if why.Answer.Applies || len(why.Answer.Hints) != 1 {
		t.Fatalf("pending: %+v", why.Answer)
	}
	then := history.Why{}
	c.into(c.get(fmt.Sprintf("/at/%d%spending", why.Answer.Hints[0].At, of)), 200, &then)
	if !then.Answer.Applies {
		t.Errorf("pending, as of %d: %+v", why.Answer.Hints[0].At, then.Answer)
	}

	// Notes count from when they were written.
	c.Create(t, podNamed("web-2", "c"))
	key := proto.Resource{Name: "pods"}.Key("default", "web-2")
	told, err := c.Logs.Submit(t.Context(), events.Command{Actor: "system:scheduler", Action: events.Patch{Key: key, Subresource: "status", Type: types.MergePatchType,
		Data: []byte(`{"status":{"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes."}]}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	c.Create(t, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "web-2.1", Namespace: "default"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web-2", UID: told.Object.GetUID()},
		Reason:         "FailedScheduling", Message: "0/0 nodes.", Type: corev1.EventTypeWarning,
	})
	for at, noted := range map[string]bool{"": true, fmt.Sprintf("/at/%d", told.Seq): false} {
		why := history.Why{}
		c.into(c.get(at+historyPath+"why?resource=pods&namespace=default&name=web-2&question=pending"), 200, &why)
		if text := strings.Join(why.Answer.Says, " "); !strings.Contains(text, "Unschedulable: 0/1 nodes") || strings.Contains(text, "noted before: 0/0 nodes") != noted {
			t.Errorf("pending %s: %s", at, text)
		}
	}

	bad := func(path, what string) {
		t.Helper()
		c.status(c.get(historyPath+path), 400, metav1.StatusReasonBadRequest, what)
	}
	bad("why?resource=pods&namespace=default&name=web-1&question=gone", "must be one of deleted, pending, restarted, not-ready")
	bad("why?resource=namespaces&name=default&question=pending", "is for pods and for what makes pods")
	bad("why?resource=events&namespace=default&name=e&question=deleted", "not kept in the log of events")
	c.status(c.get(historyPath+"why?resource=pods&namespace=default&name=nope&question=deleted"), 404, metav1.StatusReasonNotFound, `pods "nope" not found`)
	c.status(c.get(of+"deleted", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.get(historyPath+"why?group=apps&resource=deployments&namespace=default&name=web&question=pending", asJane), 403, metav1.StatusReasonForbidden, "jane")
}

// TestE8BlastOfAChange counts what followed from the person's apply.
func TestE8BlastOfAChange(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	chained(t, c)
	var blast history.Blast
	c.into(c.get(historyPath+"blast?group=apps&resource=deployments&namespace=default&name=web"), 200, &blast)
	if blast.Transactions != 3 || blast.Depth != 3 || blast.Took == "" || blast.Object == nil || len(blast.Tree.Children) != 1 || blast.AtLeast {
		t.Errorf("%+v", blast)
	}
	var same history.Blast
	c.into(c.get(fmt.Sprintf("%sblast?seq=%d&depth=1", historyPath, blast.Seq)), 200, &same)
	if same.Transactions != 3 || same.Tree.Children[0].LeftOut != 2 || same.Object != nil {
		t.Errorf("one step: %+v", same)
	}
	for query, what := range map[string]string{
		"seq=0": "must be a sequence of the log, 1 or above", "seq=-1": "must be a sequence", "seq=x": "must be a sequence",
		"seq=99999999999999999999999": "must be a sequence",
		"seq=999":                     "has not happened yet: the log ends at 8",
		"":                            "either the parameter seq",
		"seq=1&resource=pods&name=x":  "either the parameter seq",
		"resource=pods&name=x":        "the parameter namespace is required",
		"seq=1&depth=-1":              "depth \"-1\": must be a whole number",
		"seq=1&limit=many":            "limit \"many\": must be a whole number",
		"resource=pods&namespace=default&name=web-1":     "no person has changed pods",
		"resource=events&namespace=default&name=nothing": "not kept in the log of events",
	} {
		c.status(c.get(historyPath+"blast?"+query), 400, metav1.StatusReasonBadRequest, what)
	}
	c.status(c.get(historyPath+"blast?resource=pods&namespace=default&name=nope"), 404, metav1.StatusReasonNotFound, "nope")
	c.status(c.get(fmt.Sprintf("/at/3%sblast?seq=4", historyPath)), 400, metav1.StatusReasonBadRequest, "seq 4 had not happened yet as of 3")
	c.status(c.get(historyPath+"blast?seq=4", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.do("POST", historyPath+"blast?seq=4", "{}"), 405, metav1.StatusReasonMethodNotAllowed, "not supported")
}

// BenchmarkE8Why asks about a pod that has been reported as often as answers look
// back, in a log of SEGNO_BENCH_EVENTS other transactions (20000).
func BenchmarkE8Why(b *testing.B) {
	others := 20_000
	if text := os.Getenv("SEGNO_BENCH_EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatalf("SEGNO_BENCH_EVENTS %q: must be a number", text)
		}
		others = n
	}
	c := client{b, apitest.New(b, nil)}
	seq := troubled(b, c, others)
	of := historyPath + "why?resource=pods&namespace=default&name=web-1"
	for name, path := range map[string]string{
		"plain": of, "deleted": of + "&question=deleted", "pending": of + "&question=pending", "restarted": of + "&question=restarted",
		"not-ready":           of + "&question=not-ready",
		"deployment":          historyPath + "why?group=apps&resource=deployments&namespace=default&name=web&question=not-ready",
		"not-ready in a past": fmt.Sprintf("/at/%d%s&question=not-ready", seq, of),
		"blast":               historyPath + "blast?seq=4",
	} {
		b.Run(name, func(b *testing.B) {
			c := client{b, c.Cluster}
			for b.Loop() {
				if got := c.get(path); got.code != 200 {
					b.Fatal(got)
				}
			}
		})
	}
}

// troubled fills a log: a pod that crashes 250 times while others change. It
// answers a sequence in the middle.
func troubled(b *testing.B, c client, others int) (middle proto.Seq) {
	chained(b, c)
	key := proto.Resource{Name: "pods"}.Key("default", "web-1")
	const crashes = 250
	submit := func(cmd events.Command) events.Outcome {
		out, err := c.Logs.Submit(b.Context(), cmd)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	patch := func(cause proto.Seq, status string) proto.Seq {
		return submit(events.Command{Actor: "node:n1", Cause: proto.Cause{Seq: cause}, Action: events.Patch{
			Key: key, Subresource: "status", Type: types.MergePatchType, Data: []byte(`{"status":` + status + `}`),
		}}).Seq
	}
	n := 0
	for i := range crashes {
		end := fmt.Sprintf(`{"terminated":{"exitCode":3,"containerID":"c%d","reason":"Error"}}`, i)
		died := patch(0, fmt.Sprintf(`{"phase":"Running","containerStatuses":[{"name":"c","restartCount":%d,"state":%s}]}`, i, end))
		patch(died, fmt.Sprintf(`{"containerStatuses":[{"name":"c","restartCount":%d,"state":{"running":{}},"lastState":%s}]}`, i+1, end))
		for ; n < others*(i+1)/crashes; n++ {
			name := fmt.Sprintf("other-%d", n%(others/2+1))
			other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"n": strconv.Itoa(n)}}
			about := proto.Resource{Name: "configmaps"}.Key("default", name)
			if n <= others/2 {
				submit(events.Command{Actor: "user:ada", Action: events.Create{Key: about, Object: other, UID: types.UID(name)}})
				continue
			}
			submit(events.Command{Actor: "user:ada", Action: events.Patch{Key: about, Type: types.MergePatchType, Data: []byte(fmt.Sprintf(`{"data":{"n":"%d"}}`, n))}})
		}
		if i == crashes/2 {
			middle = c.Folds[proto.StreamEvents].Position().Seq
		}
	}
	return middle
}
