package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime/simulated"
	"segno/cli/api/history"
	"segno/events"
)

// facts lists what a tree of causes says about the pod itself, with the facts of
// what each led to in brackets.
func facts(nodes []*history.Node) (text string) {
	for i, n := range nodes {
		if i > 0 {
			text += " "
		}
		for j, e := range n.Events {
			if j > 0 {
				text += "+"
			}
			text += e.Fact
		}
		if len(n.Children) > 0 {
			text += "[" + facts(n.Children) + "]"
		}
	}
	return text
}

func (w *world) why(pod string) history.Why {
	w.t.Helper()
	var why history.Why
	w.ask(&why, "/apis/history.segno/v1/why?resource=pods&namespace=%s&name=%s", space, pod)
	return why
}

func TestE8ARestartFollowsFromTheDeathBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Simulate: Simulate{StartLatency: 100 * time.Millisecond}})
		w.run("crashes", map[string]string{simulated.RunFor: "3s", simulated.ExitCode: "3"})
		w.within(time.Hour, "it runs for the third time", func() bool { return restarts(w.pods()) == 2 && ready(w.pods(), "") == 1 })
		synctest.Wait()
		why := w.why("crashes")
		if len(why.Roots) != 3 {
			t.Fatalf("why:\n%s\nwant the person's request and two deaths", facts(why.Roots))
		}
		for i, root := range why.Roots {
			text := facts([]*history.Node{root})
			restarted := strings.Count(text, string(events.ContainerRestarted))
			switch {
			case i == 0 && (root.Actor != "user:ada" || restarted != 0):
				t.Errorf("it begins with %s by %s", text, root.Actor)
			case i > 0 && (root.Actor != "node:sim-1" || root.Events[0].Reason != "ContainerDied" || restarted != 1):
				t.Errorf("death %d is %s by %s", i, text, root.Actor)
			}
		}

		// What a person asks for next has the person's request as its cause again.
		if err := w.client.CoreV1().Pods(space).Delete(w.ctx, "crashes", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(time.Minute, "it is gone", func() bool { return len(w.pods()) == 0 })
		ends := w.why("crashes").Roots
		last := ends[len(ends)-1]
		if last.Actor != "user:ada" || len(last.Children) == 0 || last.Children[len(last.Children)-1].Actor != "node:sim-1" {
			t.Errorf("the end has another cause than the person: %s", facts(ends))
		}
	})
}
