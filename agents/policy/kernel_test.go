//go:build host

package policy_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/policy"
	"segno/agents/policy/tables"
)

// enter puts the test into a network namespace of its own.
func enter(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread goes with the test
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = space.Close() })
}

func open(t testing.TB, name string) *tables.Tables {
	t.Helper()
	out, err := tables.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func nft(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ruleset is what the kernel has, in an order of its own.
func ruleset(t testing.TB) string {
	lines := strings.Split(nft(t, "list", "ruleset"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestNetworkPolicyTablesFollowThePlan: whatever changes, the kernel takes it, has
// then what was written, and the same as if all was written at once.
func TestNetworkPolicyTablesFollowThePlan(t *testing.T) {
	enter(t)
	for seed := range uint64(6) {
		is := open(t, "by-steps")
		step := 0
		policy.Random(t, seed, 120, func(p *policy.Planner) {
			touched := p.Take()
			if step++; step == 1 {
				if err := is.Sync(p.Plan()); err != nil {
					t.Fatal(err)
				}
			} else if err := is.Change(p.Plan(), &touched); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			if same, err := is.Same(); err != nil || !same {
				t.Fatalf("seed %d, step %d: the kernel has something else, %v", seed, step, err)
			}
			if step%40 != 0 {
				return
			}
			by := ruleset(t)
			if err := is.Sync(p.Plan()); err != nil {
				t.Fatal(err)
			}
			if at := ruleset(t); by != at {
				t.Fatalf("seed %d, step %d: by steps\n%s\nat once\n%s", seed, step, by, at)
			}
		})
		if err := is.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if left := nft(t, "list", "ruleset"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// closed is a policy that lets a block in.
func closed(name, cidr string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
				{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}, {PodSelector: &metav1.LabelSelector{}},
			}}},
		},
	}
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// TestNetworkPolicyTablesThatSomebodyChanged are found out.
func TestNetworkPolicyTablesThatSomebodyChanged(t *testing.T) {
	enter(t)
	is := open(t, "mine")
	p := policy.NewPlanner()
	web := netip.MustParseAddr("10.0.0.1")
	p.SetLocal(web, &policy.Pod{Name: named("web"), Addresses: []netip.Addr{web}})
	p.SetPod(named("client"), &policy.Pod{Name: named("client"), Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}})
	if err := p.SetPolicy(named("p"), closed("p", "192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	chain, set, blocks := p.Plan().Isolated[policy.Ingress][web], "", ""
	for name := range p.Plan().Sets {
		set = name
	}
	for name := range p.Plan().Blocks {
		blocks = name
	}
	for _, what := range []string{
		"delete table ip mine", "delete table ip6 mine", "flush chain ip mine " + chain, "flush chain ip mine forward-ingress",
		"delete element ip mine isolated-ingress { 10.0.0.1 }", "add element ip mine isolated-egress { 10.0.0.1 : accept }",
		"flush set ip mine self", "add element ip mine " + set + " { 10.0.0.9 }", "add element ip mine " + blocks + " { 10.9.0.0/16 }",
		"insert rule ip mine forward-ingress accept", "add chain ip mine other", "add table ip mine { flags dormant; }",
	} {
		if err := is.Sync(p.Plan()); err != nil {
			t.Fatal(err)
		}
		if same, err := is.Same(); err != nil || !same {
			t.Fatalf("before %s: changed, %v", what, err)
		}
		nft(t, what)
		if same, err := is.Same(); err != nil || same {
			t.Errorf("%s: not noticed, %v", what, err)
		}
	}
}

// TestNetworkPolicyWithManyPeers: ten thousand pods and a policy of a hundred
// blocks and ports fit one transaction.
func TestNetworkPolicyWithManyPeers(t *testing.T) {
	enter(t)
	is, p := open(t, "mine"), many(t, 10_000, 10)
	if err := is.Sync(p.Plan()); err != nil {
		t.Fatal(err)
	}
	if same, err := is.Same(); err != nil || !same {
		t.Fatalf("the kernel has something else, %v", err)
	}
}

func BenchmarkNetworkPolicyKernelPod(b *testing.B) {
	enter(b)
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint(size, "-pods"), func(b *testing.B) {
			is, p := open(b, "mine"), many(b, size, 1000)
			p.Take()
			if err := is.Sync(p.Plan()); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				p.SetPod(named("changed"), podAt(named("changed"), 60_000+i%2))
				touched := p.Take()
				if err := is.Change(p.Plan(), &touched); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNetworkPolicyKernelSync(b *testing.B) {
	enter(b)
	is, p := open(b, "mine"), many(b, 10_000, 1000)
	for b.Loop() {
		if err := is.Sync(p.Plan()); err != nil {
			b.Fatal(err)
		}
	}
}
