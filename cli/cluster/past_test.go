package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/cli/api/history"
	"segno/cli/api/history/blame"
	"segno/cli/api/history/diffs"
	"segno/proto"
)

// lines reads an answer of one document a line.
func lines[T any](w *world, path string, args ...any) (out []T) {
	w.t.Helper()
	answer, err := w.http.Get("http://segno/apis/history.segno/v1/" + fmt.Sprintf(path, args...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		w.t.Fatalf("%s: %v: %s", answer.Status, err, body)
	}
	for text := range strings.Lines(string(body)) {
		var line T
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.t.Fatalf("%v in %s", err, text)
		}
		out = append(out, line)
	}
	return out
}

// TestE5TheStoryOfANamespace: a person makes, scales and changes a deployment;
// history, blame and diff tell it as it was.
func TestE5TheStoryOfANamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		begin := w.seq()
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		between := w.seq()
		w.setImage(newImage)
		w.settled(3, newImage)
		synctest.Wait()

		told := lines[history.Line](w, "history?namespace=%s&since=%d", space, begin+1)
		var log []proto.Seq // what the log has of the namespace
		for env, err := range w.cluster.ledgers.events().Events(t.Context(), begin+1, w.seq()) {
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(env.Events, func(ev proto.Event) bool { return ev.Key.Namespace == space }) {
				log = append(log, env.Seq)
			}
		}
		var seqs []proto.Seq
		pods := 0
		for _, line := range told {
			seqs = append(seqs, line.Seq)
			if line.Object.Resource == "pods" && line.Deleted {
				pods++
			}
		}
		if !slices.IsSorted(seqs) || !slices.Equal(slices.Compact(seqs), log) || pods != 3 {
			t.Errorf("the history tells of %v with the end of %d pods, the log of %v", seqs, pods, log)
		}
		mine := lines[history.Line](w, "history?namespace=%s&actor=user:ada&field=.spec.template.spec.containers", space)
		if len(mine) != 2 || mine[1].Events[0].Fact != "DeploymentTemplateChanged" {
			t.Errorf("ada changed containers at %+v", mine)
		}

		var found blame.Blame
		w.ask(&found, "/apis/history.segno/v1/blame?group=apps&resource=deployments&namespace=%s&name=web", space)
		for _, field := range found.Fields {
			want := proto.Seq(0)
			switch field.Path {
			case "spec.replicas":
				want = mine[0].Seq
			case "spec.template.spec.containers[web].image":
				want = mine[1].Seq
			}
			if want > 0 && (field.Seq != want || field.Actor != "user:ada") {
				t.Errorf("%s is blamed on %d by %s, want %d", field.Path, field.Seq, field.Actor, want)
			}
		}

		answer := lines[diffs.Line](w, "diff?namespace=%s&from=%d&section=spec", space, between)
		stat := answer[len(answer)-1].Stat
		if stat == nil || stat.Created < 4 || stat.Deleted != 3 || stat.Changed < 1 { // 3 pods and their set; the old pods; the deployment
			t.Fatalf("the rollout is counted %+v", stat)
		}
		for _, line := range answer {
			if o := line.Object; o != nil && o.Resource == "deployments" && !strings.Contains(o.Spec.Unified, "-      - image: "+oldImage+"\n+      - image: "+newImage+"\n") {
				t.Errorf("the deployment's difference is\n%s", o.Spec.Unified)
			}
		}
	})
}

// TestE7WhatIsNotKnownIsSaid: while a node was silent, nobody knows how its pods
// were.
func TestE7WhatIsNotKnownIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		g := w.guest(Simulate{})
		from := w.seq()
		g.leave()
		left := time.Now()
		w.within(2*time.Minute, "the node is Unknown", func() bool { return g.ready() == corev1.ConditionUnknown })
		middle := w.seq()
		g.come()
		w.within(time.Minute, "the node is back", func() bool { return g.ready() == corev1.ConditionTrue })
		back := time.Now()
		synctest.Wait()

		silent := func(query string, args ...any) (out []diffs.Gap) {
			for _, gap := range lines[diffs.Line](w, "diff?"+query, args...)[0].Span.Gaps {
				if gap.Sort == diffs.Silent && gap.Node == "guest" {
					out = append(out, gap)
				}
			}
			return out
		}
		gaps := silent("from=%d", from)
		if len(gaps) != 1 || gaps[0].From.Time.Before(left) || gaps[0].To.Time.After(back) || gaps[0].To.Seq <= gaps[0].From.Seq {
			t.Errorf("it was silent from %s to %s, the answer says %+v", left, back, gaps)
		}
		if gaps := silent("from=%d&to=%d&namespace=%s", from, middle, space); len(gaps) != 1 || gaps[0].To.Seq != 0 {
			t.Errorf("while it was silent: %+v", gaps)
		}
		if gaps := silent("from=%d&section=spec", from); len(gaps) != 0 {
			t.Errorf("a spec is known all the same: %+v", gaps)
		}
		if gaps := silent("from=%d&resource=nodes&name=sim-1", from); len(gaps) != 0 {
			t.Errorf("another node was heard: %+v", gaps)
		}
	})
}
