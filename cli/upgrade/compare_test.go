package upgrade

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"segno/proto"
)

// said is what a program that says these lines found.
func said(t *testing.T, lines ...string) *examined {
	t.Helper()
	e := &examined{found: map[place]Finding{}, named: map[proto.Seq]string{}, names: map[string]string{}}
	all := append([]string{`{"version":"v"}`}, lines...)
	if err := e.read(strings.NewReader(strings.Join(all, "\n")), func(int) {}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestE4WhatTwoVersionsPartOn: findings that both have are none, other names are
// one, unless more is known of the transaction.
func TestE4WhatTwoVersionsPartOn(t *testing.T) {
	running := said(t, `{"seq":1,"facts":"A (x)"}`, `{"seq":2,"facts":"B (x)"}`, `{"finding":{"seq":3,"object":"o","what":"decision","fact":"C"}}`, `{"seq":3,"facts":"C (x)"}`, `{"done":3,"end":true}`)
	next := said(t, `{"seq":1,"facts":"A (x)"}`, `{"seq":2,"facts":"B (y)"}`, `{"finding":{"seq":3,"object":"o","what":"refused","refused":"no"}}`, `{"seq":3}`, `{"done":3,"end":true}`)
	running.compareNames(next)
	got := differences(running.found, next.found)
	want := []Difference{
		{Seq: 2, Running: &Finding{Seq: 2, What: WhatFacts, Facts: "B (x)"}, New: &Finding{Seq: 2, What: WhatFacts, Facts: "B (y)"}},
		{Seq: 3, Object: "o", Running: &Finding{Seq: 3, What: WhatDecision, Object: "o", Fact: "C"}, New: &Finding{Seq: 3, What: WhatRefused, Object: "o", Refused: "no"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	same := said(t, `{"seq":1,"facts":"A (x)"}`, `{"done":1,"end":true}`)
	same.compareNames(said(t, `{"seq":1,"facts":"A (x)"}`, `{"done":1,"end":true}`))
	if len(same.found) > 0 {
		t.Errorf("nothing differs, but %+v", same.found)
	}
}
