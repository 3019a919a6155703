package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
	"segno/agents/runtime/simulated"
	"segno/cli/api/history"
)

// said lists what the log says of a node, oldest first: the facts about it, a
// transaction each.
func (w *world) said(node string) (transactions []string) {
	w.t.Helper()
	var past history.List
	w.ask(&past, "/apis/history.segno/v1/history?resource=nodes&name=%s", node)
	for _, r := range past.Revisions {
		var facts []string
		for _, e := range r.Events {
			facts = append(facts, e.Fact)
		}
		transactions = append(transactions, strings.Join(facts, " "))
	}
	return transactions
}

func (w *world) wantSaid(node string, from int, want ...string) {
	w.t.Helper()
	if got := w.said(node)[from:]; !slices.Equal(got, want) {
		w.t.Errorf("the log says of %s: %q, want %q", node, got, want)
	}
}

// guestIn is a guest whose agent keeps its state in a folder.
func (w *world) guestIn(dir string) *guest {
	engine := simulated.New(Simulate{})
	g := &guest{w: w, engine: engine, node: &node{name: "guest", runtime: engine, network: network.NewSimulated(), dir: dir}}
	g.come()
	w.within(time.Minute, "the guest is ready", func() bool { return g.ready() == corev1.ConditionTrue })
	return g
}

// forget takes away what the guest's agent keeps, all but who it is.
func (g *guest) forget() {
	g.w.t.Helper()
	kept, err := os.ReadDir(g.node.dir)
	if err != nil {
		g.w.t.Fatal(err)
	}
	for _, file := range kept {
		if file.IsDir() {
			if err := os.RemoveAll(filepath.Join(g.node.dir, file.Name())); err != nil {
				g.w.t.Fatal(err)
			}
		}
	}
}

func TestN1RegisteringAgainSaysOnlyWhatChanged(t *testing.T) {
	for name, forgets := range map[string]bool{"WithItsState": false, "WithoutIt": true} {
		dir := t.TempDir()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newWorld(t, Config{Nodes: 2})
				g := w.guestIn(dir)
				time.Sleep(time.Hour) // it registers again every five minutes
				first := w.said("guest")
				if want := []string{"NodeRegistered NodeStatusChanged", "NodeReady NodeTainted"}; !slices.Equal(first, want) {
					t.Errorf("of a new node the log says %q, want %q", first, want)
				}
				w.create(web(6, oldImage))
				w.settled(6, oldImage)

				g.leave()
				time.Sleep(20 * time.Second) // shorter than the grace
				if forgets {
					g.forget()
				}
				g.come()
				time.Sleep(time.Hour)
				w.wantSaid("guest", len(first))
			})
		})
	}
}

func TestN3AnOutageIsOneTransactionThereAndOneBack(t *testing.T) {
	for name, forgets := range map[string]bool{"WithItsState": false, "WithoutIt": true} {
		dir := t.TempDir()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newWorld(t, Config{Nodes: 2})
				g := w.guestIn(dir)
				w.create(web(6, oldImage))
				w.settled(6, oldImage)
				before := len(w.said("guest"))

				g.leave()
				w.within(2*time.Minute, "the node is Unknown", func() bool { return g.ready() == corev1.ConditionUnknown })
				time.Sleep(time.Minute)
				silent := w.cluster.View().Seq()
				if forgets {
					g.forget()
				}
				g.come()
				w.within(time.Minute, "the node is back and its pods are ready", func() bool {
					return g.ready() == corev1.ConditionTrue && ready(w.pods(), "") == 6
				})
				time.Sleep(time.Hour)
				w.wantSaid("guest", before, "NodeSilent NodeTainted", "NodeReady NodeTainted")
				var back history.List
				w.ask(&back, "/apis/history.segno/v1/history?resource=nodes&name=guest")
				for _, pod := range g.pods() {
					var past history.List
					w.ask(&past, "/apis/history.segno/v1/history?resource=pods&namespace=%s&name=%s", space, pod.Name)
					again := past.Revisions[len(past.Revisions)-1].Seq
					if again <= silent || again != back.Revisions[len(back.Revisions)-1].Seq {
						t.Errorf("pod %s is ready again by %d, want it by the transaction that brings its node back", pod.Name, again)
					}
				}
			})
		})
	}
}
