package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestN6FaultsConverge lets faults fall on a cluster and then wants it to come
// to what is wanted, with nothing left over. SEGNO_SEED runs one seed alone.
func TestN6FaultsConverge(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if one, err := strconv.ParseUint(os.Getenv("SEGNO_SEED"), 10, 64); err == nil {
		seeds = []uint64{one}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runFaults(t, seed) })
		})
	}
}

const faults = 60

func runFaults(t *testing.T, seed uint64) {
	behaves := Simulate{StartLatency: 300 * time.Millisecond, PullLatency: time.Second, NoImage: func(image string) error {
		if image == badImage {
			return fmt.Errorf("manifest for %s not found", image)
		}
		return nil
	}}
	w, _ := newWorld(t, Config{Nodes: 2, Simulate: behaves})
	m := &mischief{w: w, rand: rand.New(rand.NewPCG(seed, 0)), guest: w.guest(behaves)}
	w.create(web(6, oldImage))
	for range faults {
		name, do := m.next()
		m.done = append(m.done, time.Now().Format("15:04:05 ")+name)
		do()
		time.Sleep(time.Duration(m.rand.Int64N(int64(30 * time.Second))))
	}
	m.calm()
	w.patch(`{"spec":{"replicas":5,"paused":null}}`)
	w.setImage("nginx:1.27")
	defer func() {
		if t.Failed() {
			t.Logf("seed %d; what was done: %q; what there is:\n%s", seed, m.done, w.told())
		}
	}()
	// Back-offs of up to five minutes may have to pass, and evictions.
	w.within(20*time.Minute, "five pods of the last image and nothing else", func() bool { return w.isSettled(5, "nginx:1.27") })
	w.within(2*time.Minute, "all nodes are ready and without taints", w.nodesReady)
	m.checkNothingElse()
	w.verify()
}

// mischief does harm, at random but the same for one seed.
type mischief struct {
	w     *world
	rand  *rand.Rand
	guest *guest
	done  []string
}

func (m *mischief) next() (name string, do func()) {
	all := []struct {
		name string
		do   func()
	}{
		{"delete a pod", func() { m.deletePod(nil) }},
		{"delete a pod at once", func() { m.deletePod(new(int64)) }},
		{"delete a set", m.deleteSet},
		{"the guest's agent leaves or comes", m.toggleAgent},
		{"the guest's engine falls or rises", func() { m.guest.engine.SetDown(m.rand.IntN(2) == 0) }},
		{"a sandbox breaks", m.breakSandbox},
		{"a good image", func() { m.w.setImage([]string{oldImage, newImage}[m.rand.IntN(2)]) }},
		{"a bad image", func() { m.w.setImage(badImage) }},
		{"scale", func() { m.w.patch(fmt.Sprintf(`{"spec":{"replicas":%d}}`, m.rand.IntN(9))) }},
		{"pause or resume", func() { m.w.patch(fmt.Sprintf(`{"spec":{"paused":%t}}`, m.rand.IntN(2) == 0)) }},
	}
	one := all[m.rand.IntN(len(all))]
	return one.name, one.do
}

func (m *mischief) deletePod(grace *int64) {
	if pods := m.w.pods(); len(pods) > 0 {
		pod := pods[m.rand.IntN(len(pods))]
		m.gone(m.w.client.CoreV1().Pods(space).Delete(m.w.ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: grace}))
	}
}

func (m *mischief) deleteSet() {
	list, err := m.w.client.AppsV1().ReplicaSets(space).List(m.w.ctx, metav1.ListOptions{})
	if err != nil {
		m.w.t.Fatal(err)
	}
	policy := []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	}[m.rand.IntN(3)]
	if len(list.Items) > 0 {
		set := list.Items[m.rand.IntN(len(list.Items))]
		m.gone(m.w.client.AppsV1().ReplicaSets(space).Delete(m.w.ctx, set.Name, metav1.DeleteOptions{PropagationPolicy: &policy}))
	}
}

// gone takes no offence when somebody else was faster.
func (m *mischief) gone(err error) {
	m.w.t.Helper()
	if err != nil && !apierrors.IsNotFound(err) {
		m.w.t.Fatal(err)
	}
}

func (m *mischief) toggleAgent() {
	if m.guest.leave != nil {
		m.guest.leave()
	} else {
		m.guest.come()
	}
}

func (m *mischief) breakSandbox() {
	if pods := m.guest.pods(); len(pods) > 0 {
		m.guest.engine.BreakSandbox(string(pods[m.rand.IntN(len(pods))].UID))
	}
}

// told is the deployment with all that there is of it, and the end of the log.
func (w *world) told() string {
	var text strings.Builder
	d := w.deployment()
	fmt.Fprintf(&text, "deployment: wants %d of %s, generation %d, %+v\n", *d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image, d.Generation, d.Status)
	for revision, set := range w.sets() {
		fmt.Fprintf(&text, "set %s, revision %s: %s, owner %s, deleted %v, wants %d, generation %d, %+v\n", set.Name, revision,
			set.Spec.Template.Spec.Containers[0].Image, owner(set), set.DeletionTimestamp, *set.Spec.Replicas, set.Generation, set.Status)
	}
	for _, pod := range w.pods() {
		fmt.Fprintf(&text, "pod %s on %s: %s, owner %s, deleted %v, %s, ready %t\n", pod.Name, pod.Spec.NodeName,
			pod.Spec.Containers[0].Image, owner(&pod), pod.DeletionTimestamp, pod.Status.Phase, isReady(&pod))
	}
	log := w.cluster.ledgers.events()
	last := log.Position().Seq
	for seq := max(last, 40) - 39; seq <= last; seq++ {
		if env, err := log.Envelope(seq); err == nil {
			fmt.Fprintf(&text, "%s %s %s %s %s after %d\n", seq, env.At.Format("15:04:05.000"), env.Actor, env.Events[0].Kind, env.Events[0].Key, env.Cause.Seq)
		}
	}
	return text.String()
}

func owner(obj metav1.Object) string {
	if ref := metav1.GetControllerOf(obj); ref != nil {
		return ref.Name
	}
	return "nobody"
}

// calm ends what still goes on, and takes away the pods that nobody owns since
// their set was deleted without them: they are to stay for ever.
func (m *mischief) calm() {
	for _, pod := range m.w.pods() {
		if metav1.GetControllerOf(&pod) == nil {
			m.gone(m.w.client.CoreV1().Pods(space).Delete(m.w.ctx, pod.Name, metav1.DeleteOptions{}))
		}
	}
	m.guest.engine.SetDown(false)
	if m.guest.leave == nil {
		m.guest.come()
	}
}

// checkNothingElse wants that engines run exactly the pods that are bound to
// their nodes, and that one set alone has pods.
func (m *mischief) checkNothingElse() {
	t := m.w.t
	m.w.within(time.Minute, "the engines run the pods and nothing else", func() bool {
		bound := map[string][]string{}
		for _, pod := range m.w.pods() {
			bound[pod.Spec.NodeName] = append(bound[pod.Spec.NodeName], string(pod.UID))
		}
		for _, node := range append(slices.Clone(m.w.cluster.nodes), m.guest.node) {
			runs, err := node.runtime.List(m.w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			var uids []string
			for _, pod := range runs {
				uids = append(uids, pod.UID)
			}
			slices.Sort(bound[string(node.name)])
			if !slices.Equal(uids, bound[string(node.name)]) {
				return false
			}
		}
		return true
	})
	for revision, set := range m.w.sets() {
		if n := *set.Spec.Replicas; n != 0 && n != 5 {
			t.Errorf("the set of revision %s is to have %d pods", revision, n)
		}
	}
}
