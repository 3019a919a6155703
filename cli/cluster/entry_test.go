package cluster

import (
	"net/netip"
	"testing"

	"k8s.io/utils/ptr"
)

func TestS9IngressIsAsBefore(t *testing.T) {
	dir := t.TempDir()
	home := netip.MustParseAddr("127.0.0.1")
	for _, step := range []struct {
		what    string
		asked   Entry
		usually bool
		on      bool
		http    uint16
		at      int
	}{
		{"a node that joins", Entry{}, false, false, 80, 0},
		{"a cluster's own", Entry{}, true, true, 80, 0},
		{"a port, and an address", Entry{On: ptr.To(true), HTTP: 8080, Addresses: []netip.Addr{home}}, false, true, 8080, 1},
		{"nothing more", Entry{}, false, true, 8080, 1},
		{"no more", Entry{On: ptr.To(false)}, true, false, 0, 0},
		{"still none", Entry{}, true, false, 0, 0},
		{"again", Entry{On: ptr.To(true)}, true, true, 8080, 1},
	} {
		got, err := recallEntry(dir, step.asked, step.usually)
		if err != nil {
			t.Fatal(err)
		}
		if (got != nil) != step.on || got != nil && (got.HTTP != step.http || got.HTTPS != 443 || len(got.Addresses) != step.at) {
			t.Errorf("%s: %+v", step.what, got)
		}
	}
	if _, err := recallEntry(dir, Entry{HTTP: 443}, true); err == nil {
		t.Error("one port for both is taken")
	}
	if got, err := recallEntry(dir, Entry{}, true); err != nil || got.HTTP != 8080 {
		t.Errorf("after a refusal: %+v, %v", got, err)
	}
}
