package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/events"
	"segno/events/undo"
	"segno/proto"
)

const (
	configMapsPath = "/api/v1/namespaces/default/configmaps"
	mergePatch     = "Content-Type: application/merge-patch+json"
)

// seqNow is the newest transaction.
func (c client) seqNow() proto.Seq { return c.Folds[proto.StreamEvents].Position().Seq }

// write does something that must succeed, and answers its sequence.
func (c client) write(method, path, body string, headers ...string) proto.Seq {
	c.Helper()
	if r := c.do(method, path, body, headers...); r.code > 299 {
		c.Fatal(r)
	}
	return c.seqNow()
}

func (c client) takeBack(question, body string) (plan undo.Plan) {
	c.Helper()
	c.into(c.do("POST", historyPath+question, body), 200, &plan)
	return plan
}

// TestE12UndoDoesThePlanThatWasShown, and no other.
func TestE12UndoDoesThePlanThatWasShown(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1","b":"1"}}`)
	seq := c.write("PATCH", configMapsPath+"/app", `{"data":{"a":"2","b":"2"}}`, mergePatch)

	plan := c.takeBack("undo", fmt.Sprintf(`{"seqs":[%d],"dryRun":true}`, seq))
	if len(plan.Steps) != 1 || plan.Steps[0].Verb != "update" || len(plan.Steps[0].Changes) != 2 || plan.Digest == "" || plan.Based != seq || plan.Done != nil {
		t.Fatalf("%+v", plan)
	}
	if c.seqNow() != seq {
		t.Error("a plan alone wrote something")
	}
	c.write("PATCH", configMapsPath+"/app", `{"data":{"b":"3"}}`, mergePatch)
	agreed := fmt.Sprintf(`{"seqs":[%d],"digest":%q}`, seq, plan.Digest)
	c.status(c.do("POST", historyPath+"undo", agreed), 409, metav1.StatusReasonConflict, "the plan is another one by now")

	request := c.do("POST", historyPath+"undo", fmt.Sprintf(`{"seqs":[%d]}`, seq), "Segno-Command: segno undo it")
	c.into(request, 200, &plan)
	if len(plan.Done) != 1 || len(plan.Conflicts) != 1 || plan.Conflicts[0].Path != "data.b" || plan.Conflicts[0].Forced {
		t.Fatalf("%+v", plan)
	}
	env, err := c.Folds[proto.StreamEvents].Envelope(plan.Done[0])
	if err != nil {
		t.Fatal(err)
	}
	if env.Cause.Seq != seq || env.Correlation != request.header.Get("Audit-Id") || env.Via != "segno undo it" || env.Actor != "user:admin" || env.Events[0].Reason != "Undone" {
		t.Errorf("%+v", env)
	}
	var app struct{ Data map[string]string }
	c.into(c.get(configMapsPath+"/app"), 200, &app)
	if app.Data["a"] != "1" || app.Data["b"] != "3" {
		t.Errorf("%v", app.Data)
	}
	if again := c.takeBack("undo", fmt.Sprintf(`{"seqs":[%d]}`, seq)); again.Done != nil || !again.Empty() {
		t.Errorf("%+v", again)
	}

	back := c.takeBack("restore", fmt.Sprintf(`{"object":{"resource":"configmaps","namespace":"default","name":"app"},"at":"%d"}`, seq))
	env, err = c.Folds[proto.StreamEvents].Envelope(back.Done[0])
	if err != nil || env.Cause.Seq != 0 || env.Cause.Request != env.Correlation || env.Correlation == "" || env.Events[0].Reason != "Restored" {
		t.Errorf("%+v %v", env, err)
	}
	if back.Restore.At != seq {
		t.Errorf("it went back to %s", back.Restore.At)
	}
}

// TestE12WhoTookItBackActed stands at the beginning of the chain: neither whose
// change was undone did it, nor whoever was newest at the moment restored.
func TestE12WhoTookItBackActed(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1"}}`)
	changed := c.write("PATCH", configMapsPath+"/app", `{"data":{"a":"2"}}`, mergePatch)
	unrelated := c.write("POST", configMapsPath, `{"metadata":{"name":"settings"},"data":{"a":"1"}}`)
	undone := c.takeBack("undo", fmt.Sprintf(`{"seqs":[%d]}`, changed)).Done[0]
	restored := c.takeBack("restore", fmt.Sprintf(`{"object":{"resource":"configmaps","namespace":"default","name":"app"},"at":"%d"}`, unrelated)).Done[0]

	var why history.Why
	c.into(c.get(historyPath+"why?resource=configmaps&namespace=default&name=app"), 200, &why)
	takesBack := map[proto.Seq]proto.Seq{}
	for _, root := range why.Roots {
		takesBack[root.Seq] = root.TakesBack
		if len(root.Children) > 0 || root.Seq == unrelated {
			t.Errorf("in the tree is %+v", root)
		}
	}
	if _, ok := takesBack[restored]; !ok || takesBack[undone] != changed || takesBack[restored] != 0 {
		t.Errorf("%s of %s, %s: %v", undone, changed, restored, takesBack)
	}
	for seq, want := range map[proto.Seq]int{unrelated: 0, changed: 1} {
		var blast history.Blast
		c.into(c.get(historyPath+"blast?seq="+seq.String()), 200, &blast)
		if blast.Transactions != want {
			t.Errorf("%d followed from %s", blast.Transactions, seq)
		}
	}
}

// TestE12UndoRefusesWhatIsNoQuestion tells what is wrong with it.
func TestE12UndoRefusesWhatIsNoQuestion(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	last := c.seqNow()
	tests := []struct{ question, body, want string }{
		{"undo", ``, "the body is no question about undo"},
		{"undo", `{}`, "say which transactions"},
		{"undo", `[1]`, "the body is no question"},
		{"undo", `{"seqs":[1],"dryrn":true}`, `unknown field "dryrn"`},
		{"undo", `{"seqs":[1]}{"dryRun":true}`, "more than one document"},
		{"undo", `{"seqs":[-1]}`, "the body is no question"},
		{"undo", `{"seqs":["1"]}`, "the body is no question"},
		{"undo", `{"seqs":[0]}`, "sequences start at 1"},
		{"undo", `{"seqs":[18446744073709551615]}`, "has not happened yet"},
		{"undo", `{"seqs":[1,1]}`, "named twice"},
		{"undo", `{"seqs":[` + strings.Repeat("1,", 1000) + `1]}`, "at most 1000"},
		{"undo", `{"seqs":[1]}`, "system:test did it by itself"},
		{"restore", `{"at":"1"}`, "resource and name are required"},
		{"restore", `{"object":{"resource":"nonsense","name":"x"},"at":"1"}`, "there is none of that name"},
		{"restore", `{"object":{"resource":"pods","name":"x"},"at":"1"}`, "a namespace is required"},
		{"restore", `{"object":{"resource":"namespaces","name":"default"}}`, "at: must say"},
		{"restore", `{"object":{"resource":"namespaces","name":"default"},"at":"soon"}`, `moment "soon"`},
		{"restore", `{"object":{"resource":"namespaces","name":"default"},"at":"999"}`, "has not happened yet"},
		{"restore", `{"object":{"resource":"namespaces","name":"default"},"at":"100h"}`, "lies before the log begins"},
		{"restore", `{"object":{"resource":"namespaces","name":"none"},"at":"1"}`, "there was no namespace none"},
	}
	for _, test := range tests {
		c.status(c.do("POST", historyPath+test.question, test.body), 400, metav1.StatusReasonBadRequest, test.want)
	}
	c.status(c.get(historyPath+"undo"), 405, metav1.StatusReasonMethodNotAllowed, "not supported")
	c.status(c.do("POST", "/at/1"+historyPath+"undo", `{"seqs":[1]}`), 405, "MethodNotAllowed", "the past is read-only")
	c.status(c.do("POST", historyPath+"undo", `{"seqs":[1]}`, asJane), 403, metav1.StatusReasonForbidden, "jane")
	if c.seqNow() != last {
		t.Error("something was written")
	}
}

// no forbids one verb on one resource.
type no struct{ verb, resource string }

func (n no) Authorize(_ context.Context, _ api.User, t api.Target) (bool, string, error) {
	return t.Verb != n.verb || t.Resource != n.resource, "not you", nil
}

// TestE12UndoNeedsTheRightToAllOfIt before anything is done.
func TestE12UndoNeedsTheRightToAllOfIt(t *testing.T) {
	for _, rule := range []no{{"delete", "configmaps"}, {"get", "configmaps"}, {"create", "undo"}} {
		c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Authorizer = rule })}
		first := c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1"}}`)
		second := c.write("POST", deploymentsPath, deploymentJSON)
		for _, more := range []string{``, `,"dryRun":true`} {
			r := c.do("POST", historyPath+"undo", fmt.Sprintf(`{"seqs":[%d,%d]%s}`, first, second, more))
			c.status(r, 403, metav1.StatusReasonForbidden, "cannot "+rule.verb+" resource")
		}
		if c.seqNow() != second {
			t.Errorf("%v: something was done", rule)
		}
	}
}

// meddling is a store in which something else is written right before the first
// undo.
type meddling struct {
	api.Store
	once   sync.Once
	meddle func()
}

func (m *meddling) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	if cmd.Reason == "Undone" {
		m.once.Do(m.meddle)
	}
	return m.Store.Submit(ctx, cmd)
}

// TestE12UndoWhileOthersWrite carries the same plan out on newer versions, and
// refuses when it would be another plan.
func TestE12UndoWhileOthersWrite(t *testing.T) {
	for section, want := range map[string]int{"status": 200, "": 409} {
		store := &meddling{}
		c := client{t, apitest.New(t, func(cfg *api.Config) { store.Store, cfg.Store = cfg.Store, store })}
		c.write("POST", deploymentsPath, deploymentJSON)
		seq := c.write("PATCH", deploymentsPath+"/web", `{"spec":{"replicas":7}}`, mergePatch)
		store.meddle = func() {
			_, err := c.Logs.Submit(context.Background(), events.Command{Actor: "system:deployment", Action: events.Patch{
				Key: proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "web"), Subresource: section,
				Type: types.MergePatchType, Data: []byte(`{"spec":{"replicas":5},"status":{"replicas":3}}`),
			}})
			if err != nil {
				t.Error(err)
			}
		}
		r := c.do("POST", historyPath+"undo", fmt.Sprintf(`{"seqs":[%d]}`, seq))
		if r.code != want {
			t.Errorf("meddled with %q: %d %s", section, r.code, r.body)
		}
		var plan undo.Plan
		if err := json.Unmarshal([]byte(r.body), &plan); want == 200 && (err != nil || len(plan.Done) != 1) {
			t.Errorf("%v %+v", err, plan)
		}
	}
}
