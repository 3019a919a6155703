package history

import (
	"strings"
	"testing"

	"segno/proto"
)

// TestE5FieldsBelow: a field is changed by itself, by what is below it, and by a
// list that changes whole.
func TestE5FieldsBelow(t *testing.T) {
	for text, tests := range map[string]map[string]bool{
		".spec.replicas":                   {"spec.replicas": true, "spec.replicasX": false, "spec": false, "status.replicas": false},
		"spec.template":                    {"spec.template.spec.containers[web].image": true, "spec.templates": false},
		".spec.template.spec.containers":   {"spec.template.spec.containers[web].image": true},
		".metadata.labels[a.b/c]":          {"metadata.labels[a.b/c]": true, "metadata.labels.a": false},
		".metadata.finalizers[0]":          {"metadata.finalizers": true},
		".spec.template.spec.containers[x": nil, "..": nil, ".": nil, "a..b": nil, "a.": nil, "a]b[": nil, "a[[b]]": nil, "a\nb": nil,
	} {
		field, err := ParseField(text)
		if (err != nil) != (tests == nil) {
			t.Errorf("%q: %v", text, err)
		}
		for path, want := range tests {
			if field.covers(path) != want {
				t.Errorf("%q and %q: want %t", text, path, want)
			}
		}
	}
}

// TestE5ReasonsOfAContainer: a reason is that of an event, or what a container
// waits for.
func TestE5ReasonsOfAContainer(t *testing.T) {
	events := []Event{{Fact: "PodUnready", Reason: "Unready"}, {Fact: "ContainerWaiting", Reason: "ContainerWaiting", Detail: "ErrImagePull,CrashLoopBackOff"}}
	for _, reason := range []string{"", "Unready", "CrashLoopBackOff", "ErrImagePull"} {
		if !(Filter{Reason: reason}).reasons(events, nil) {
			t.Errorf("%q is not found", reason)
		}
	}
	if (Filter{Reason: "CrashLoop"}).reasons(events, nil) {
		t.Error("a part of a reason is found")
	}
}

// TestE5Actors are written as they are printed.
func TestE5Actors(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "user:a": true, "node:n": true, "system:s": true, "join:t": true, "a": false, "user:": false, "x:y": false} {
		got, err := ParseActor(text)
		if (err == nil) != ok || ok && got != proto.Actor(text) || err != nil && !strings.Contains(err.Error(), "user:NAME") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
