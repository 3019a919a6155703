package policy

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/proto"
)

// kept stands for a kernel, which can fail as one does; real ones have tests of
// their own.
type kept struct {
	mu              sync.Mutex // the test's and the enforcer's
	t               *testing.T
	refuses, broken bool // a change, everything
	foreign         bool // somebody changed it
	syncs           int
	isolated        map[netip.Addr]string // for ingress
}

func (k *kept) Sync(plan *Plan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken {
		return errors.New("no memory")
	}
	k.syncs++
	k.foreign = false
	return k.take(plan)
}

func (k *kept) Change(plan *Plan, touched *Touched) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken || k.refuses {
		return errors.New("refused")
	}
	if touched.Nothing() {
		k.t.Error("a change of nothing")
	}
	return k.take(plan)
}

func (k *kept) take(plan *Plan) error {
	k.isolated = map[netip.Addr]string{}
	for a, chain := range plan.Isolated[Ingress] {
		k.isolated[a] = chain
	}
	return nil
}

func (k *kept) Same() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.foreign, nil
}

func (k *kept) Close() error { return nil }

var web = netip.MustParseAddr("10.0.0.1")

func webPod() *Pod {
	return &Pod{Name: types.NamespacedName{Namespace: "shop", Name: "web"}, UID: "web", Labels: map[string]string{"app": "web"}, Addresses: []netip.Addr{web}}
}

func put(t *testing.T, c *catalog.Catalog, key proto.ObjectKey, object interface{ Marshal() ([]byte, error) }) {
	t.Helper()
	word := proto.WantPod{Key: key, Gone: object == nil}
	if object != nil {
		var err error
		if word.Body, err = object.Marshal(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Apply(&word); err != nil {
		t.Fatal(err)
	}
}

func deny() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "deny"}, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
	}}
}

var denyKey = catalog.Policies.Key("shop", "deny")

// enforcing is an enforcer with all that it needs.
type enforcing struct {
	*Enforcer
	t         *testing.T
	catalog   catalog.Catalog
	tables    *kept
	open      error
	bridge    error
	filtering bool
	status    Status
}

func newEnforcing(t *testing.T) *enforcing {
	t.Helper()
	e := &enforcing{t: t, tables: &kept{t: t}}
	var err error
	e.Enforcer, err = New(Config{
		Node: "n1", Catalog: &e.catalog, Told: func(s Status) {
			e.tables.mu.Lock()
			defer e.tables.mu.Unlock()
			e.status = s
		},
		Open: func() (Tables, error) {
			e.tables.mu.Lock()
			defer e.tables.mu.Unlock()
			return e.tables, e.open
		},
		Filter: func(on bool) error {
			e.tables.mu.Lock()
			defer e.tables.mu.Unlock()
			e.filtering = on && e.bridge == nil
			return e.bridge
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *enforcing) run() {
	ctx, stop := context.WithCancel(e.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx)
	}()
	e.t.Cleanup(func() { stop(); <-ended })
	synctest.Wait()
}

// now changes what the kernel is like.
func (e *enforcing) now(change func(k *kept)) {
	e.tables.mu.Lock()
	defer e.tables.mu.Unlock()
	change(e.tables)
}

func (e *enforcing) says(what, reason string, isolated bool) {
	e.t.Helper()
	synctest.Wait()
	e.tables.mu.Lock()
	defer e.tables.mu.Unlock()
	_, is := e.tables.isolated[web]
	if e.status.Reason != reason || e.status.Enforced != (reason == "Enforced") || is != isolated {
		e.t.Errorf("%s: %+v, isolated %t; want %s, %t", what, e.status, is, reason, isolated)
	}
}

func TestNetworkPolicyIsInForceBeforeAPodIsCabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnforcing(t)
		put(t, &e.catalog, denyKey, deny())
		attached := make(chan error, 1)
		go func() { attached <- e.Attach(t.Context(), webPod()) }()
		synctest.Wait()
		select {
		case err := <-attached:
			t.Fatalf("a pod did not wait for the policies: %v", err)
		default:
		}
		e.run()
		if err := <-attached; err != nil {
			t.Fatal(err)
		}
		e.says("a pod that waited", "Enforced", true)
		if !e.filtering {
			t.Error("packets between pods of this node pass by")
		}
		e.Detach("web")
		e.says("it is gone", "Enforced", false)
		if err := e.Attach(t.Context(), webPod()); err != nil {
			t.Fatal(err)
		}
		e.says("another one", "Enforced", true)

		// Another label, by the cluster's word; and an end that the node has not seen.
		object := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web", Labels: map[string]string{"app": "else"}},
			Spec:       corev1.PodSpec{NodeName: "n1"}, Status: corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}},
		}
		key := catalog.Pods.Key("shop", "web")
		put(t, &e.catalog, key, object)
		e.says("another label", "Enforced", false)
		object.Labels["app"] = "web"
		put(t, &e.catalog, key, object)
		e.says("the label again", "Enforced", true)
		put(t, &e.catalog, key, nil)
		e.says("the cluster forgot it, the node runs it", "Enforced", true)

		e.now(func(k *kept) { k.foreign, k.isolated = true, nil })
		time.Sleep(compareEvery)
		e.says("somebody changed the tables", "Enforced", true)
		put(t, &e.catalog, denyKey, nil)
		e.says("no policy", "Enforced", false)
		if e.filtering {
			t.Error("packets between pods of this node are still shown to others' rules")
		}
	})
}

// TestNetworkPolicyOfANodeThatCannotEnforceIt: pods start, and the node says so.
func TestNetworkPolicyOfANodeThatCannotEnforceIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnforcing(t)
		e.open, e.bridge = errors.New("no nftables"), errors.New("no br_netfilter")
		put(t, &e.catalog, denyKey, deny())
		e.run()
		e.says("without nftables", "NFTablesUnavailable", false)
		if err := e.Attach(t.Context(), webPod()); err != nil {
			t.Errorf("a pod does not start: %v", err)
		}
		e.now(func(*kept) { e.open = nil })
		time.Sleep(retry)
		e.says("without br_netfilter", "BridgeFilterUnavailable", true)
		e.now(func(*kept) { e.bridge = nil })
		time.Sleep(compareEvery)
		e.says("with all", "Enforced", true)

		e.now(func(k *kept) { k.refuses = true })
		put(t, &e.catalog, denyKey, nil)
		if e.says("a change is refused", "Enforced", false); e.tables.syncs != 2 {
			t.Errorf("written as a whole %d times, want twice", e.tables.syncs)
		}
		e.now(func(k *kept) { k.broken = true })
		put(t, &e.catalog, denyKey, deny())
		e.says("nothing can be written", "PolicyWriteFailed", false)
		late := webPod()
		late.UID, late.Addresses = "late", []netip.Addr{netip.MustParseAddr("10.0.0.2")}
		if err := e.Attach(t.Context(), late); err == nil {
			t.Error("a pod starts though its policies could not be written")
		}
		e.now(func(k *kept) { k.broken, k.refuses = false, false })
		time.Sleep(retry)
		e.says("it works again", "Enforced", true)
	})
}

// TestNetworkPolicyThatIsNotKnownIsNotWithdrawn: an agent that knows nothing, and
// finds no control plane, keeps its pods and leaves what is in force.
func TestNetworkPolicyThatIsNotKnownIsNotWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnforcing(t)
		began := time.Now()
		for range 3 {
			if err := e.Attach(t.Context(), webPod()); err != nil {
				t.Fatal(err)
			}
			e.Detach("web")
		}
		if waited := time.Since(began); waited != patience || e.tables.syncs != 0 {
			t.Errorf("pods waited for %s, %d writes", waited, e.tables.syncs)
		}
		if err := e.Attach(t.Context(), webPod()); err != nil {
			t.Fatal(err)
		}
		put(t, &e.catalog, denyKey, deny())
		e.run()
		e.says("when the policies are known", "Enforced", true)
	})
}
