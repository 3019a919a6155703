package commands

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"segno/cli/api/history"
	"segno/proto"
)

// revision is one as the API answers it: the changes are "path old new", and -
// is no value.
func revision(seq proto.Seq, actor proto.Actor, via, fact string, changes ...string) history.Revision {
	r := history.Revision{
		Transaction: history.Transaction{
			Seq: seq, Actor: actor, Via: via, Verb: "patch",
			Time:   time.Date(2026, 11, 23, 12, 0, int(seq), 0, time.UTC),
			Events: []history.Event{{Fact: fact, Reason: "Because"}},
		},
		UID: "u", Created: strings.HasSuffix(fact, "Created"), Deleted: strings.HasSuffix(fact, "Deleted"),
	}
	raw := func(text string) json.RawMessage {
		if text == "-" {
			return nil
		}
		return json.RawMessage(text)
	}
	for _, change := range changes {
		words := strings.Fields(change)
		r.Changes = append(r.Changes, history.Change{Path: words[0], Old: raw(words[1]), New: raw(words[2])})
	}
	return r
}

const (
	image = "spec.template.spec.containers[nginx].image "
	given = revisionPath + " "
)

// TestE5WhatMattersFirst: which of the changes are shown, and how.
func TestE5WhatMattersFirst(t *testing.T) {
	tests := []struct {
		name    string
		changes []string
		want    string
	}{
		{"scaled", []string{"spec.replicas 3 4"}, ".spec.replicas 3 → 4"},
		{"image before all", []string{"metadata.labels.a - \"b\"", "spec.minReadySeconds 0 1", image + `"a" "b"`},
			".spec.template.spec.containers[nginx].image a → b, .metadata.labels.a b, .spec.minReadySeconds 0 → 1"},
		{"noise is counted", []string{"status.observedGeneration 1 2", "spec.replicas 3 4", "status.conditions[Ready].lastTransitionTime \"a\" \"b\""}, ".spec.replicas 3 → 4, +2 more"},
		{"nothing but noise", []string{"status.observedGeneration 1 2", "status.startTime - \"x\""}, ".status.observedGeneration 1 → 2, +1 more"},
		{"a condition", []string{`status.conditions[Ready].reason "a" "b"`, `status.conditions[Ready].status "False" "True"`}, ".status.conditions[Ready] False → True, +1 more"},
		{"gone", []string{"spec.paused true -"}, ".spec.paused true → none"},
		{"a count that begins", []string{"status.containerStatuses[c].restartCount - 0", `status.conditions[Initialized].status "False" "True"`},
			".status.conditions[Initialized] False → True, .status.containerStatuses[c].restartCount 0"},
		{"a restart", []string{`status.conditions[Initialized].status "False" "True"`, "status.containerStatuses[c].restartCount 0 1"},
			".status.containerStatuses[c].restartCount 0 → 1, .status.conditions[Initialized] False → True"},
		{"many", []string{"data.a 1 2", "data.b 1 2", "data.c 1 2", "data.d 1 2"}, ".data.a 1 → 2, .data.b 1 → 2, .data.c 1 → 2, +1 more"},
		{"long", []string{`data.a - "` + strings.Repeat("x", 100) + `"`}, ".data.a " + strings.Repeat("x", 60) + "…"},
		{"nothing", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := summary(revision(1, "", "", "", test.changes...).Changes, 3); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestE5ReportsInARowAreOneLine: what a person did, and what has a name, keeps
// a line of its own.
func TestE5ReportsInARowAreOneLine(t *testing.T) {
	list := history.List{More: true, Revisions: []history.Revision{
		revision(1, "user:a", "segno create", "DeploymentCreated", "spec.replicas - 3"),
		revision(2, "system:deployment", "deployment", "DeploymentStatusChanged", "status.replicas - 3", "status.unavailableReplicas - 3"),
		revision(4, "system:deployment", "deployment", "DeploymentStatusChanged", "status.readyReplicas - 3", "status.unavailableReplicas 3 -"),
		revision(5, "system:deployment", "deployment", "DeploymentCompleted", "status.availableReplicas - 3"),
		revision(6, "system:deployment", "deployment", "DeploymentStatusChanged", "status.terminatingReplicas 1 0"),
		revision(7, "system:other", "other", "DeploymentStatusChanged", "status.terminatingReplicas 0 1"),
		revision(8, "user:a", "kubectl edit", "DeploymentStatusChanged", "status.terminatingReplicas 1 2"),
		revision(9, "user:a", "kubectl edit", "DeploymentStatusChanged", "status.terminatingReplicas 2 3"),
		revision(10, "user:b", "", "DeploymentDeleted"),
	}}
	now := time.Date(2026, 11, 24, 12, 0, 1, 0, time.UTC)
	var out strings.Builder
	if err := writeHistory(&out, list, now); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, r := range list.Revisions {
		got = strings.ReplaceAll(got, when(r.Time, now), "TIME")
	}
	got = regexp.MustCompile(`TIME +`).ReplaceAllString(got, "TIME ")
	want := `(older revisions are left out; see --limit)
SEQ   TIME ACTOR               FACT                         REASON    CHANGED
1     TIME user:a              DeploymentCreated            Because   .spec.replicas 3  [segno create]
2…4   TIME system:deployment   DeploymentStatusChanged ×2   Because   .status.replicas 3, .status.readyReplicas 3
5     TIME system:deployment   DeploymentCompleted          Because   .status.availableReplicas 3
6     TIME system:deployment   DeploymentStatusChanged      Because   .status.terminatingReplicas 1 → 0
7     TIME system:other        DeploymentStatusChanged      Because   .status.terminatingReplicas 0 → 1
8     TIME user:a              DeploymentStatusChanged      Because   .status.terminatingReplicas 1 → 2  [kubectl edit]
9     TIME user:a              DeploymentStatusChanged      Because   .status.terminatingReplicas 2 → 3  [kubectl edit]
10    TIME user:b              DeploymentDeleted            Because   
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestE5TheEndIsSaid: what ends an object is told, be there other facts about it in
// the transaction.
func TestE5TheEndIsSaid(t *testing.T) {
	gone := func(facts ...string) history.Revision {
		r := revision(65, "node:n1", "", facts[0])
		r.Events, r.Deleted = nil, true
		for _, fact := range facts {
			r.Events = append(r.Events, history.Event{Fact: fact, Reason: "PodEnded", Section: "status"})
		}
		r.Events[len(facts)-1].Section = "gone"
		return r
	}
	for _, test := range []struct {
		revision history.Revision
		want     string
	}{
		{gone("PodFailed", "PodDeleted"), "PodFailed,PodDeleted"},
		{gone("PodStatusChanged", "PodDeleted"), "PodDeleted"},
		{gone("PodDeleted"), "PodDeleted"},
		{revision(65, "node:n1", "", "PodFailed"), "PodFailed"},
	} {
		object := proto.Object{Resource: "pods", Namespace: "default", Name: "p"}
		var one, many strings.Builder
		if err := writeHistory(&one, history.List{Object: object, Revisions: []history.Revision{test.revision}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := writeRevision(&many, history.Line{Object: object, Revision: test.revision}, false); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{one.String(), many.String()} {
			if !regexp.MustCompile(`node:n1 +` + test.want + ` +(Pod|Because|pods/)`).MatchString(text) {
				t.Errorf("%s, want %s", text, test.want)
			}
		}
	}
}

// TestW3CausesFromTheLog: which change each revision of a Deployment goes back
// to.
func TestW3CausesFromTheLog(t *testing.T) {
	created := revision(1, "user:a", "segno apply -f web.yaml", "DeploymentCreated", image+`- "nginx:1"`)
	first := revision(2, "system:deployment", "deployment", "AnnotationsChanged", given+`- "1"`)
	tests := []struct {
		name string
		more []history.Revision
		want map[int64]string
	}{
		{"created", nil, map[int64]string{1: "user:a: segno apply -f web.yaml"}},
		{"an image, between reports and a scale", []history.Revision{
			revision(3, "user:b", "segno scale deployment/web --replicas=3", "DeploymentScaled", "spec.replicas 1 3"),
			revision(4, "user:b", "segno set image deployment/web nginx=nginx:2", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(5, "user:c", "segno scale deployment/web --replicas=4", "DeploymentScaled", "spec.replicas 3 4"),
			revision(6, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
		}, map[int64]string{1: "user:a: segno apply -f web.yaml", 2: "user:b: segno set image deployment/web nginx=nginx:2"}},
		{"kubectl tells its verb alone", []history.Revision{
			revision(4, "user:b", "kubectl set image", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(6, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
		}, map[int64]string{1: "user:a: segno apply -f web.yaml", 2: "user:b: kubectl set image (.spec.template.spec.containers[nginx].image nginx:1 → nginx:2)"}},
		{"a client that tells nothing", []history.Revision{
			revision(4, "user:b", "", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(6, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
		}, map[int64]string{1: "user:a: segno apply -f web.yaml", 2: "user:b: patch (.spec.template.spec.containers[nginx].image nginx:1 → nginx:2)"}},
		{"paused: the last change before the roll", []history.Revision{
			revision(4, "user:b", "segno set image deployment/web nginx=nginx:2", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(5, "user:c", "segno set env deployment/web A=1", "DeploymentTemplateChanged", `spec.template.spec.containers[nginx].env[A].value - "1"`),
			revision(6, "user:c", "segno rollout resume deployment/web", "DeploymentResumed", "spec.paused true -"),
			revision(7, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
		}, map[int64]string{1: "user:a: segno apply -f web.yaml", 2: "user:c: segno set env deployment/web A=1"}},
		{"undone", []history.Revision{
			revision(4, "user:b", "segno set image deployment/web nginx=nginx:2", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(6, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
			revision(7, "user:c", "segno rollout undo deployment/web", "DeploymentTemplateChanged", image+`"nginx:2" "nginx:1"`),
			revision(8, "system:deployment", "deployment", "AnnotationsChanged", given+`"2" "3"`),
		}, map[int64]string{1: "user:a: segno apply -f web.yaml", 2: "user:b: segno set image deployment/web nginx=nginx:2", 3: "user:c: segno rollout undo deployment/web"}},
		{"deleted and made again", []history.Revision{
			revision(4, "user:b", "segno set image deployment/web nginx=nginx:2", "DeploymentTemplateChanged", image+`"nginx:1" "nginx:2"`),
			revision(6, "system:deployment", "deployment", "AnnotationsChanged", given+`"1" "2"`),
			revision(7, "user:c", "segno delete deployment web", "DeploymentDeleted"),
			revision(8, "user:d", "segno create deployment web", "DeploymentCreated", image+`- "nginx:3"`),
			revision(9, "system:deployment", "deployment", "AnnotationsChanged", given+`- "1"`),
		}, map[int64]string{1: "user:d: segno create deployment web"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, causesOf(append([]history.Revision{created, first}, test.more...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
