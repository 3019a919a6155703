package network

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func mustPool(t *testing.T, cidr string, held map[string]netip.Addr) *pool {
	t.Helper()
	p, err := newPool([]netip.Prefix{netip.MustParsePrefix(cidr)}, held)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoolHandsOutEachAddressOnce(t *testing.T) {
	p := mustPool(t, "10.1.0.0/29", nil)
	var got []string
	for i := range 6 {
		a, err := p.take(fmt.Sprint("pod", i))
		if err != nil {
			got = append(got, "full")
			continue
		}
		got = append(got, a.String())
	}
	// .0 is the network, .1 the gateway, .7 the broadcast address.
	if want := "10.1.0.2 10.1.0.3 10.1.0.4 10.1.0.5 10.1.0.6 full"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	again, err := p.take("pod2")
	if err != nil || again.String() != "10.1.0.4" {
		t.Errorf("the same pod: %s, %v", again, err)
	}
	p.free("pod1")
	p.free("pod1")
	p.free("never")
	if a, err := p.take("new"); err != nil || a.String() != "10.1.0.3" {
		t.Errorf("after one was freed: %s, %v", a, err)
	}
}

func TestPoolReusesAnAddressLast(t *testing.T) {
	p := mustPool(t, "10.1.0.0/24", nil)
	first, _ := p.take("a")
	p.free("a")
	second, _ := p.take("b")
	if first == second {
		t.Errorf("%s was handed out again at once", first)
	}
}

func TestPoolTakesOverWhatIsHeld(t *testing.T) {
	held := map[string]netip.Addr{"x": netip.MustParseAddr("10.1.0.2"), "y": netip.MustParseAddr("10.1.0.4")}
	p := mustPool(t, "10.1.0.0/24", held)
	seen := map[netip.Addr]bool{held["x"]: true, held["y"]: true}
	for i := range 251 {
		a, err := p.take(fmt.Sprint(i))
		if err != nil || seen[a] {
			t.Fatalf("take %d: %s, %v", i, a, err)
		}
		seen[a] = true
	}
	if a, err := p.take("one too many"); err == nil {
		t.Errorf("253 pods in a /24 and one more: %s", a)
	}
	held["z"] = held["x"]
	if _, err := newPool([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}, held); err == nil || !strings.Contains(err.Error(), "10.1.0.2") {
		t.Errorf("two pods with one address: %v", err)
	}
}

func TestPoolNeverGivesOneAddressTwice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	p := mustPool(t, "fd00::/123", nil)
	has := map[string]netip.Addr{}
	for range 5000 {
		uid := fmt.Sprint(r.IntN(40))
		if r.IntN(2) == 0 {
			p.free(uid)
			delete(has, uid)
			continue
		}
		a, err := p.take(uid)
		if err != nil {
			if len(has) < 30 { // 32, less the network and the gateway
				t.Fatalf("full with %d pods: %v", len(has), err)
			}
			continue
		}
		if old, ok := has[uid]; ok && old != a {
			t.Fatalf("pod %s moved from %s to %s", uid, old, a)
		}
		has[uid] = a
		owners := 0
		for _, other := range has {
			if other == a {
				owners++
			}
		}
		if owners != 1 || a == p.gateway || !p.cidr.Contains(a) {
			t.Fatalf("%s: %d owners", a, owners)
		}
	}
}

// TestAPoolIsRenewedWhenNobodyHoldsTheOld.
func TestAPoolIsRenewedWhenNobodyHoldsTheOld(t *testing.T) {
	first, second := netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("10.2.0.0/24")
	old := mustPool(t, first.String(), nil)
	before, err := old.take("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := renew(old, []netip.Prefix{second}, nil); err == nil || !strings.Contains(err.Error(), "10.1.0.0/24") {
		t.Errorf("while it is held: %v", err)
	}
	if again, err := old.take("a"); err != nil || again != before {
		t.Errorf("the address of a pod that has one: %s, %v", again, err)
	}
	if a, err := old.take("b"); err == nil {
		t.Errorf("%s was handed out of a pool that is to go", a)
	}
	if same, err := renew(old, []netip.Prefix{first}, nil); err != nil || same != old {
		t.Errorf("the CIDR it has: %v, %v", same, err)
	}
	if _, err := old.take("b"); err != nil {
		t.Errorf("open again: %v", err)
	}
	old.free("a")
	old.free("b")
	if p, err := renew(old, []netip.Prefix{second}, nil); err != nil || p.cidr != second {
		t.Errorf("nobody holds it: %v, %v", p, err)
	}
	if _, err := renew(nil, []netip.Prefix{second}, map[string]netip.Addr{"a": before}); err == nil || !strings.Contains(err.Error(), before.String()) {
		t.Errorf("an earlier agent's pod holds one of another CIDR: %v", err)
	}
}

func TestPoolRefusesACIDRWithoutRoom(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/32", "10.0.0.0/31"} {
		if _, err := newPool([]netip.Prefix{netip.MustParsePrefix(cidr)}, nil); err == nil {
			t.Errorf("%s was taken", cidr)
		}
	}
}

func TestNamesFitTheKernel(t *testing.T) {
	for _, name := range []string{NameFor("0123456789ab", "a-very-long-node-name.example.com"), cableName("0b6d6a3e-5d8a-4b52-9b0b-7c1f0f3f0a11")} {
		if len(name) > 15 {
			t.Errorf("%s has %d characters", name, len(name))
		}
	}
	if _, err := NewBridge(Config{Name: "sixteen-letters-"}); err == nil {
		t.Error("a bridge name of 16 characters was taken")
	}
}
