package kinds_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// nothing is the view of a cluster without objects.
type nothing struct{}

func (nothing) Seq() proto.Seq                             { return 0 }
func (nothing) Get(proto.ObjectKey) (events.Object, error) { return nil, nil }
func (nothing) List(events.Query) (events.Page, error)     { return events.Page{}, nil }

// cluster is the real table under the real Decide, kept by an overlay.
type cluster struct {
	*testing.T
	view *events.Overlay
	seq  proto.Seq
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{T: t, view: events.NewOverlay(table, nothing{})}
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: default}}")
	return c
}

func (c *cluster) do(action events.Action) (events.Decision, error) {
	c.seq++
	cmd := events.Command{Actor: "user:test", Action: action}
	decision, err := events.Decide(table, c.view, cmd, now)
	if err == nil {
		c.view.Push(c.seq, decision)
	}
	return decision, err
}

func (c *cluster) try(doc string) (events.Object, error) {
	c.Helper()
	kind, obj := load(c.T, []byte(doc))
	namespace := ""
	if kind.Namespaced {
		namespace = "default"
	}
	uid := types.UID(fmt.Sprintf("uid-%d", c.seq))
	decision, err := c.do(events.Create{Key: kind.Resource.Key(namespace, obj.GetName()), Object: obj, UID: uid})
	return decision.Object, err
}

func (c *cluster) create(doc string) events.Object {
	c.Helper()
	obj, err := c.try(doc)
	if err != nil {
		c.Fatalf("create\n%s\n%v", doc, err)
	}
	return obj
}

// update changes an object as a PUT of what a GET answered.
func (c *cluster) update(key proto.ObjectKey, change func(obj events.Object)) (events.Object, error) {
	c.Helper()
	obj, err := c.view.Get(key)
	if err != nil || obj == nil {
		c.Fatalf("get %s: %v", key, err)
	}
	obj = events.Copy(obj)
	change(obj)
	decision, err := c.do(events.Update{Key: key, Object: obj})
	return decision.Object, err
}

func (c *cluster) refused(err error, want string) {
	c.Helper()
	if err == nil || err.Error() != want {
		c.Errorf("got error\n  %v\nwant\n  %s", err, want)
	}
}

// TestO10CourseObjects: what the course has people write is taken as it is,
// but for the address of a network that is not this cluster's.
func TestO10CourseObjects(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/default_course.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range archive.Files {
		name, isInput := cutSuffix(file.Name)
		if !isInput {
			continue
		}
		seen++
		_, err := newCluster(t).try(string(file.Data))
		want := ""
		if name == "my-service-balancer" {
			want = `Service "my-service" is invalid: spec.clusterIPs: Invalid value: ["10.0.171.239"]: failed to allocate IP 10.0.171.239: ` +
				`the provided IP (10.0.171.239) is not in the valid range. The range of valid IPs is 10.96.0.0/16`
		}
		if got := fmt.Sprint(err); (err == nil) != (want == "") || (err != nil && got != want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	if seen < 15 {
		t.Errorf("only %d objects of the course", seen)
	}
}

func cutSuffix(file string) (name string, isInput bool) {
	const suffix = ".in"
	if len(file) < len(suffix) || file[len(file)-len(suffix):] != suffix {
		return "", false
	}
	return file[:len(file)-len(suffix)], true
}

// TestN3PodCIDR: each new node gets the first free /24.
func TestN3PodCIDR(t *testing.T) {
	c := newCluster(t)
	node := func(name, cidr string) string {
		obj := c.create(fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: %s}, spec: {podCIDR: %q}}", name, cidr)).(*corev1.Node)
		if len(obj.Spec.PodCIDRs) != 1 || obj.Spec.PodCIDRs[0] != obj.Spec.PodCIDR {
			t.Errorf("node %s has %v and %q", name, obj.Spec.PodCIDRs, obj.Spec.PodCIDR)
		}
		return obj.Spec.PodCIDR
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	expect(node("a", ""), "10.244.0.0/24")
	expect(node("b", ""), "10.244.1.0/24")
	expect(node("c", "10.244.2.0/23"), "10.244.2.0/23")
	expect(node("d", ""), "10.244.4.0/24")
	if _, err := c.do(events.Delete{Key: proto.Resource{Name: "nodes"}.Key("", "a")}); err != nil {
		t.Fatal(err)
	}
	expect(node("e", ""), "10.244.0.0/24")
	_, err := c.update(proto.Resource{Name: "nodes"}.Key("", "b"), func(obj events.Object) {
		obj.(*corev1.Node).Spec.PodCIDR, obj.(*corev1.Node).Spec.PodCIDRs = "10.244.9.0/24", []string{"10.244.9.0/24"}
	})
	c.refused(err, `Node "b" is invalid: spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`)
	for i := range 255 {
		node(fmt.Sprintf("n%d", i), "")
	}
	expect(node("more", ""), "10.245.4.0/24") // four go to a, b, c and d, one came back, one is c's second half
}

// TestN3PodCIDRsOfAnotherNetwork: a cluster may have its own.
func TestN3PodCIDRsOfAnotherNetwork(t *testing.T) {
	c := newCluster(t)
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, annotations: {segno/pod-network-cidr: 10.3.254.0/23}}}")
	for i, want := range []string{"10.3.254.0/24", "10.3.255.0/24"} {
		if obj := c.create(fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: n%d}}", i)).(*corev1.Node); obj.Spec.PodCIDR != want {
			t.Errorf("node %d has %s, want %s", i, obj.Spec.PodCIDR, want)
		}
	}
	full := events.Create{Key: proto.Resource{Name: "nodes"}.Key("", "c"), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, UID: "c"}
	if _, err := c.do(full); err == nil || !strings.Contains(err.Error(), "all 2 pod networks of the cluster are in use") {
		t.Errorf("a third node: %v", err)
	}
}

// TestN3PodCIDRsOfBothFamilies: a node has one of each, and one that goes gives
// both back.
func TestN3PodCIDRsOfBothFamilies(t *testing.T) {
	c := newCluster(t)
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, annotations: {segno/pod-network-cidr: 'fd00:1::/48,10.3.0.0/16'}}}")
	for i, want := range []string{"fd00:1::/64 10.3.0.0/24", "fd00:1:0:1::/64 10.3.1.0/24", "fd00:1:0:2::/64 10.3.2.0/24", "fd00:1:0:1::/64 10.3.1.0/24"} {
		node := c.create(fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: n%d}}", i)).(*corev1.Node)
		if got := strings.Join(node.Spec.PodCIDRs, " "); got != want || node.Spec.PodCIDR != node.Spec.PodCIDRs[0] {
			t.Errorf("node %d has %s, want %s", i, got, want)
		}
		if i == 2 {
			if _, err := c.do(events.Delete{Key: proto.Resource{Name: "nodes"}.Key("", "n1")}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestN3PodNetworks(t *testing.T) {
	for text, says := range map[string]string{
		"10.244.0.0/16": "", "172.16.0.0/24": "", "": "want a network such as 10.244.0.0/16", "10.244.0.0": "want a network",
		"10.244.1.0/16": "the network itself is 10.244.0.0/16", "10.0.0.0/25": "too small", "fd00::/48": "", "fd00::/65": "too small", "10.3.0.0/16,fd00::/48": "", "10.3.0.0/16,10.4.0.0/16": "two of one family", "10.3.0.0/16,": "want a network",
		"fe80::/64": "cannot have addresses", "ff00::/8": "cannot have",
	} {
		if _, err := kinds.ParsePodNetworks(text); (err == nil) != (says == "") || (err != nil && !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestP5Grace: how long a pod has to end.
func TestP5Grace(t *testing.T) {
	kind := table.Of(proto.Resource{Name: "pods"})
	for name, test := range map[string]struct {
		node  string
		phase corev1.PodPhase
		spec  *int64
		asked *int64
		want  int64
	}{
		"default":         {node: "n1", want: 30},
		"of the pod":      {node: "n1", spec: new(int64(7)), want: 7},
		"asked":           {node: "n1", spec: new(int64(7)), asked: new(int64(3)), want: 3},
		"at once":         {node: "n1", asked: new(int64(0)), want: 0},
		"negative":        {node: "n1", spec: new(int64(-1)), want: 1},
		"not bound":       {asked: new(int64(60)), want: 0},
		"succeeded":       {node: "n1", phase: corev1.PodSucceeded, want: 0},
		"failed":          {node: "n1", phase: corev1.PodFailed, asked: new(int64(60)), want: 0},
		"running, longer": {node: "n1", phase: corev1.PodRunning, asked: new(int64(60)), want: 60},
	} {
		pod := &corev1.Pod{Status: corev1.PodStatus{Phase: test.phase}}
		pod.Spec.NodeName, pod.Spec.TerminationGracePeriodSeconds = test.node, test.spec
		if got := kind.Grace(pod, test.asked); got != test.want {
			t.Errorf("%s: %d seconds, want %d", name, got, test.want)
		}
	}
}
