package bus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// listener hears what all nodes are told.
func (w *world) listener(name string) (*Link, *Hearing, <-chan proto.Want) {
	w.t.Helper()
	link := w.joinedNode(name)
	shared := NewShared(link.conn, proto.NodeName(name))
	heard, err := shared.Wants(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return link, shared, heard
}

func (w *world) service(name string) proto.ObjectKey {
	w.t.Helper()
	key := serviceResource.Key("default", name)
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}}},
	}})
	return key
}

func (w *world) slice(name string, addresses ...string) proto.ObjectKey {
	w.t.Helper()
	key := sliceResource.Key("default", name)
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: addresses}},
	}})
	return key
}

func drained(heard <-chan proto.Want) (out []proto.Want) {
	for len(heard) > 0 {
		out = append(out, <-heard)
	}
	return out
}

func TestS10AllNodesAreToldByOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		synctest.Wait() // the relay has begun
		_, _, heard := w.listener("n1")
		_, _, others := w.listener("n2")
		synctest.Wait()
		if told := drained(heard); len(told) == 0 || told[len(told)-1].Pods[0].Key != nodeResource.Key("", "n2") {
			t.Errorf("a new node was told as %+v", told)
		}
		drained(others)
		from := w.relay.shared.counter
		published := w.control.nc.Stats().OutMsgs

		service := w.service("web")
		slice := w.slice("web-1", "10.244.0.5")
		w.boundPod("web", "") // is nobody's
		w.must(events.Delete{Key: slice})
		w.must(events.Delete{Key: service})
		synctest.Wait()
		told := drained(heard)
		var got []string
		for i, want := range told {
			if want.Counter != from+1+uint64(i) || want.Full || len(want.Pods) != 1 {
				t.Fatalf("heard %+v", want)
			}
			got = append(got, fmt.Sprintf("%s gone %t", want.Pods[0].Key, want.Pods[0].Gone))
		}
		want := "services/default/web gone false, endpointslices.discovery.k8s.io/default/web-1 gone false, " +
			"endpointslices.discovery.k8s.io/default/web-1 gone true, services/default/web gone true"
		if strings.Join(got, ", ") != want {
			t.Errorf("heard %s", strings.Join(got, ", "))
		}
		told1 := &discoveryv1.EndpointSlice{}
		if err := told1.Unmarshal(told[1].Pods[0].Body); err != nil || told1.Endpoints[0].Addresses[0] != "10.244.0.5" {
			t.Errorf("heard of %v, %v", told1, err)
		}
		if n := len(drained(others)); n != len(told) {
			t.Errorf("the other node heard %d messages", n)
		}
		if n := w.control.nc.Stats().OutMsgs - published; n != uint64(len(told)) {
			t.Errorf("%d messages were published for two nodes", n)
		}
	})
}

func TestS8NodesAreToldWhereOthersAreAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link, _, heard := w.listener("n1")
		synctest.Wait()
		drained(heard)
		node := newNode("n1")
		ready := &node.Status.Conditions[0]
		for _, step := range []struct {
			what   string
			change func()
			told   int
		}{
			{"a heartbeat", func() { ready.LastHeartbeatTime, ready.Message = metav1.Now(), "still" }, 0},
			{"another condition", func() {
				node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue})
			}, 0},
			{"an address", func() {
				node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.7"}}
			}, 1},
			{"the same again", func() {}, 0},
			{"a label", func() { node.Labels["rack"] = "7" }, 0},
			{"not ready", func() { node.Status.Conditions[0].Status = corev1.ConditionFalse }, 1},
			{"kept from load balancers", func() { node.Labels[corev1.LabelNodeExcludeBalancers] = "" }, 1},
			{"its networks", func() { node.Annotations = map[string]string{proto.NodeNetworks: "192.0.2.0/24", "other": "x"} }, 1},
			{"its gateways", func() { node.Annotations[proto.NodeGateways] = "192.0.2.1" }, 1},
			{"where it is found", func() { node.Annotations[proto.NodeHardware] = "02:00:00:00:00:01" }, 1},
			{"how it is linked", func() { node.Annotations[proto.NodeLink] = "host-gw" }, 1},
			{"another annotation", func() { node.Annotations["other"] = "y" }, 0},
		} {
			step.change()
			if _, err := link.Register(t.Context(), node); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			told := drained(heard)
			if len(told) != step.told {
				t.Errorf("%s: told %d times, want %d", step.what, len(told), step.told)
			}
			for _, want := range told {
				peer := &corev1.Node{}
				if err := peer.Unmarshal(want.Pods[0].Body); err != nil || peer.Status.Addresses[0].Address != "192.0.2.7" ||
					peer.Labels["rack"] != "" || peer.Annotations["other"] != "" || len(peer.Status.Conditions) != 1 || peer.Status.Conditions[0].Message != "" {
					t.Errorf("%s: told %v, %v", step.what, peer, err)
				}
			}
		}
		w.must(events.Delete{Key: nodeResource.Key("", "n1")})
		synctest.Wait()
		if told := drained(heard); len(told) != 1 || !told[0].Pods[0].Gone {
			t.Errorf("of its end: %+v", told)
		}
	})
}

func TestS10ASyncHasWhatAllNodesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		_, shared, heard := w.listener("n1")
		_, other, _ := w.listener("n2")
		w.service("web")
		w.slice("web-1", "10.244.0.5")
		synctest.Wait()
		drained(heard)
		all, err := shared.Sync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !all.Full || all.Counter != w.relay.shared.counter || all.Seq != w.fold.Position().Seq || len(all.Pods) != 4 || all.Pods[0].Key.Resource != nodeResource {
			t.Errorf("a sync told %+v", all)
		}
		made := &w.relay.shared.parts[0]
		if _, err := other.Sync(t.Context()); err != nil || made != &w.relay.shared.parts[0] {
			t.Errorf("it was made again for another node, or %v", err)
		}
		w.service("api")
		synctest.Wait()
		next := <-heard
		if again, err := shared.Sync(t.Context()); err != nil || len(again.Pods) != 5 || again.Counter != next.Counter || next.Counter != all.Counter+1 || next.Pods[0].Seq != again.Seq {
			t.Errorf("after %+v: %d objects at %d, %v", next, len(again.Pods), again.Counter, err)
		}

		time.Sleep(repeatEvery + time.Second)
		synctest.Wait()
		if told := drained(heard); len(told) != 1 || len(told[0].Pods) != 0 || told[0].Counter != next.Counter {
			t.Errorf("after a while: %+v", told)
		}
	})
}

func (w *world) policy(name string) proto.ObjectKey {
	w.t.Helper()
	key := policyResource.Key("default", name)
	w.must(events.Create{Key: key, UID: types.UID("uid-" + name), Object: &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
	}})
	return key
}

// heardKeys is what was told, a line a message.
func heardKeys(heard <-chan proto.Want) string {
	var out []string
	for _, want := range drained(heard) {
		var line []string
		for _, p := range want.Pods {
			text := p.Key.Resource.Name + " " + p.Key.Name
			if p.Gone {
				text += " gone"
			}
			line = append(line, text)
		}
		out = append(out, strings.Join(line, " "))
	}
	return strings.Join(out, ", ")
}

// TestNetworkPolicyTellsNodesWhomPoliciesSpeakOf from the first policy on, and
// before it.
func TestNetworkPolicyTellsNodesWhomPoliciesSpeakOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		_, early, heard := w.listener("n1")
		synctest.Wait()
		drained(heard)
		report := func(name string, change func(*corev1.Pod)) {
			t.Helper()
			pod := w.pod(name)
			change(pod)
			w.must(events.Update{Key: podResource.Key("default", name), Subresource: "status", Object: pod})
		}
		gets := func(ip string) func(*corev1.Pod) {
			return func(p *corev1.Pod) {
				p.Status.Phase, p.Status.PodIP, p.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
			}
		}
		w.boundPod("web", "n1")
		w.boundPod("waiting", "n1")
		report("web", gets("10.244.0.5"))
		synctest.Wait()
		if told := heardKeys(heard); told != "" {
			t.Errorf("without a policy nodes are told of %s", told)
		}
		first := w.policy("first")
		synctest.Wait()
		if told := heardKeys(heard); told != "namespaces default namespaces kube-node-lease pods web, networkpolicies first" {
			t.Errorf("of the first policy: %s", told)
		}
		for _, step := range []struct {
			what, told string
			change     func()
		}{
			{"an address", "pods waiting", func() { report("waiting", gets("10.244.0.6")) }},
			{"a condition", "", func() {
				report("web", func(p *corev1.Pod) {
					p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
				})
			}},
			{"an end", "pods waiting gone", func() { report("waiting", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }) }},
			{"the policy goes", "networkpolicies first gone", func() { w.must(events.Delete{Key: first}) }},
			{"another policy", "networkpolicies second", func() { w.policy("second") }},
		} {
			step.change()
			synctest.Wait()
			if told := heardKeys(heard); told != step.told {
				t.Errorf("%s: told of %q, want %q", step.what, told, step.told)
			}
		}
		all, err := early.Sync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range all.Pods {
			got = append(got, p.Key.Resource.Name+" "+p.Key.Name)
		}
		if want := "nodes n1, networkpolicies second, namespaces default, namespaces kube-node-lease, pods web"; strings.Join(got, ", ") != want {
			t.Errorf("a sync has %s, want %s", strings.Join(got, ", "), want)
		}
	})
}

// TestS8ANodeThatAsksOverAndOverWaitsForItsTurn, others do not, and what it has
// asked last is answered.
func TestS8ANodeThatAsksOverAndOverWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		link, greedy, _ := w.listener("n1")
		_, modest, _ := w.listener("n2")
		w.service("web")
		synctest.Wait()
		sent := func() uint64 { synctest.Wait(); return w.control.nc.Stats().OutMsgs }
		before, began := sent(), time.Now()
		inbox := link.conn.nc.NewInbox()
		for range 1000 {
			if err := link.conn.nc.PublishRequest(proto.NodeShared("n1"), inbox, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := sent() - before; n != 1 {
			t.Errorf("a thousand questions had %d answers at once", n)
		}
		if _, err := modest.Sync(t.Context()); err != nil || time.Since(began) >= turnEvery {
			t.Errorf("another node was answered after %s, %v", time.Since(began), err)
		}
		if all, err := greedy.Sync(t.Context()); err != nil || len(all.Pods) == 0 || time.Since(began) != turnEvery {
			t.Errorf("the last question was answered after %s with %d objects, %v", time.Since(began), len(all.Pods), err)
		}
		time.Sleep(2 * turnEvery)
		if n := sent() - before; n != 3 {
			t.Errorf("%d answers in all", n)
		}
		if n := len(w.relay.shared.turns.asked); n != 0 {
			t.Errorf("%d nodes are still noted", n)
		}
	})
}

// TestS8ASyncKeepsNoChangeWaiting: changes are told while its answer is made.
func TestS8ASyncKeepsNoChangeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, startServer(t, ServerConfig{}))
		_, _, heard := w.listener("n1")
		synctest.Wait()
		drained(heard)
		w.relay.shared.making.Lock() // as while an answer is made
		w.service("web")
		synctest.Wait()
		if told := heardKeys(heard); told != "services web" {
			t.Errorf("told of %q", told)
		}
		w.relay.shared.making.Unlock()
	})
}
