package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// wants is a Service that wants addresses: "kind address", the kinds by their
// first letter.
func wants(name string, what ...string) Rules {
	out := Rules{Service: types.NamespacedName{Namespace: "shop", Name: name}}
	kinds := map[string]Kind{"c": ClusterIP, "l": LoadBalancer, "e": ExternalIP, "n": NodePort}
	for _, w := range what {
		kind, ip, _ := strings.Cut(w, " ")
		out.Frontends = append(out.Frontends, Frontend{Kind: kinds[kind], Dial: Dial{"TCP", netip.MustParseAddr(ip), 80}})
	}
	return out
}

func has(b *book) string {
	var out []string
	for _, r := range b.state(Node{}).Services {
		for _, f := range r.Frontends {
			out = append(out, fmt.Sprintf("%s %s", r.Service.Name, f.Dial.Address))
		}
	}
	return strings.Join(out, ", ")
}

// TestS5AnAddressGoesToOneService: the certain claim wins over the wish, the
// older one over the younger, and who lost gets it once it is free.
func TestS5AnAddressGoesToOneService(t *testing.T) {
	b, old, young := newBook(), time.Unix(1, 0), time.Unix(2, 0)
	for _, step := range []struct {
		name    string
		rules   Rules
		since   time.Time
		want    string
		touched string
	}{
		{"a wish", wants("thief", "c 10.96.0.1", "e 10.96.0.9"), old, "thief 10.96.0.1, thief 10.96.0.9", "thief"},
		{"whose address it is", wants("web", "c 10.96.0.9"), young, "thief 10.96.0.1, web 10.96.0.9", "thief web"},
		{"another wish", wants("late", "e 10.96.0.9"), old, "thief 10.96.0.1, web 10.96.0.9", "late web"},
		{"the same again", wants("web", "c 10.96.0.9"), young, "thief 10.96.0.1, web 10.96.0.9", ""},
		{"the owner goes", wants("web"), young, "late 10.96.0.9, thief 10.96.0.1", "late web"},
		{"and the first heir", wants("late"), old, "thief 10.96.0.1, thief 10.96.0.9", "late thief"},
		{"two alike: the older", wants("a", "e 10.96.0.9"), time.Unix(0, 0), "a 10.96.0.9, thief 10.96.0.1", "a thief"},
		{"all gone", wants("thief"), old, "a 10.96.0.9", "a thief"},
	} {
		var touched []string
		for _, name := range b.put(step.rules, step.since) {
			touched = append(touched, name.Name)
		}
		if got := has(b); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		for _, name := range strings.Fields(step.touched) {
			if !slices.Contains(touched, name) {
				t.Errorf("%s: told to %v, want also %s", step.name, touched, name)
			}
		}
		if step.touched == "" && len(touched) > 0 {
			t.Errorf("%s: told to %v", step.name, touched)
		}
	}
	b.put(wants("web", "c 10.96.0.9"), young)
	if _, err := b.rules(types.NamespacedName{Namespace: "shop", Name: "a"}); err == nil || !strings.Contains(err.Error(), "Service shop/web has it") {
		t.Errorf("the loser is told %v", err)
	}
	b.put(wants("web"), young)
	b.put(wants("a", "e 10.96.0.9"), old)
	b.put(wants("b", "e 10.96.0.9"), young)
	if b.put(wants("a", "e 10.96.0.9"), time.Unix(3, 0)); has(b) != "b 10.96.0.9" { // deleted, and made again
		t.Errorf("the younger one has it: %s", has(b))
	}
	b.put(wants("b"), young)
	b.put(wants("a"), young)
	if len(b.claims) != 0 || len(b.planned) != 0 {
		t.Errorf("left: %v, %v", b.claims, b.planned)
	}
}
