package deployment

import (
	"math"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func planFor(replicas int32, surge, unavailable intstr.IntOrString) *plan {
	return newPlan(nil, &appsv1.Deployment{Spec: appsv1.DeploymentSpec{
		Replicas: &replicas,
		Strategy: appsv1.DeploymentStrategy{
			Type:          appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable},
		},
	}}, nil, time.Time{})
}

func TestW2SurgeRoundsUpAndUnavailableDown(t *testing.T) {
	n, percent := intstr.FromInt32, func(p string) intstr.IntOrString { return intstr.FromString(p) }
	for _, c := range []struct {
		replicas           int32
		surge, unavailable intstr.IntOrString
		above, below       int32
	}{
		{3, percent("25%"), percent("25%"), 1, 0},
		{4, percent("25%"), percent("25%"), 1, 1},
		{10, percent("25%"), percent("25%"), 3, 2},
		{10, n(3), n(2), 3, 2},
		{1, percent("25%"), percent("25%"), 1, 0},
		{5, n(0), percent("10%"), 0, 1}, // both come to nothing: then one may be missing
		{5, n(0), n(0), 0, 1},
		{2, n(1), n(5), 1, 2}, // no more can be missing than are wanted
		{0, n(1), n(1), 1, 0},
		{7, percent("100%"), percent("0%"), 7, 0},
	} {
		above, below := planFor(c.replicas, c.surge, c.unavailable).fenceposts()
		if above != c.above || below != c.below {
			t.Errorf("%d replicas, surge %v, unavailable %v: %d above and %d below, want %d and %d",
				c.replicas, &c.surge, &c.unavailable, above, below, c.above, c.below)
		}
	}
}

// Whatever the sizes and however many of them serve, a step of a rollout keeps to
// the surge, leaves as many serving as must, and steps on until it is done.
func TestW2NoStepLeavesTheFenceposts(t *testing.T) {
	for replicas := int32(1); replicas <= 12; replicas++ {
		for surge := int32(0); surge <= 3; surge++ {
			for missing := int32(0); missing <= 3; missing++ {
				rollOut(t, replicas, surge, missing)
			}
		}
	}
}

// rollOut plays a rollout in which pods serve one at a time.
func rollOut(t *testing.T, replicas, surge, missing int32) {
	t.Helper()
	old, current := testSet("old", replicas), testSet("new", 0)
	old.rs.Status.AvailableReplicas = replicas
	for step := 0; ; step++ {
		p := planFor(replicas, intstr.FromInt32(surge), intstr.FromInt32(missing))
		p.old, p.current = []*set{old}, current
		above, below := p.fenceposts()
		for p.grow() || p.shrink() {
			continue
		}
		serving := min(old.size(), old.rs.Status.AvailableReplicas) + min(current.size(), current.rs.Status.AvailableReplicas)
		if sum := sizeOf(p.all()); sum > replicas+above || serving < replicas-below {
			t.Fatalf("%d replicas, %d above, %d below: step %d comes to %d pods, %d of them serving", replicas, above, below, step, sum, serving)
		}
		old.rs.Status.AvailableReplicas = min(old.size(), old.rs.Status.AvailableReplicas)
		if old.size() == 0 && current.rs.Status.AvailableReplicas == replicas {
			return
		}
		if step > 100 {
			t.Fatalf("%d replicas, %d above, %d below: stuck at %d old and %d new", replicas, above, below, old.size(), current.size())
		}
		if current.rs.Status.AvailableReplicas < current.size() {
			current.rs.Status.AvailableReplicas++
		}
	}
}

func testSet(name string, size int32) *set {
	rs := &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Replicas: &size}}
	rs.Name = name
	return &set{was: rs, rs: rs}
}

// As many replicas as can be written do not run over into fewer than none.
func TestW2HugeNumbersOfReplicasDoNotOverflow(t *testing.T) {
	for _, surge := range []intstr.IntOrString{intstr.FromInt32(1), intstr.FromString("25%"), intstr.FromInt32(math.MaxInt32)} {
		p := planFor(math.MaxInt32, surge, intstr.FromInt32(0))
		p.current, p.old = testSet("new", 1), []*set{testSet("old", 2)}
		if most := p.most(); most != math.MaxInt32 {
			t.Errorf("surge %v: at most %d replicas", &surge, most)
		}
		if size := p.roomForCurrent(); size != math.MaxInt32-2 {
			t.Errorf("surge %v: the current set may have %d replicas", &surge, size)
		}
		p.scale()
		for _, s := range p.all() {
			if s.size() < 0 {
				t.Errorf("surge %v: %s is to have %d replicas", &surge, s.rs.Name, s.size())
			}
		}
		p.current, p.old = testSet("new", math.MaxInt32), []*set{testSet("old", math.MaxInt32)}
		if sum := sizeOf(p.all()); sum != math.MaxInt32 {
			t.Errorf("together they have %d replicas", sum)
		}
		if p.grow() {
			t.Errorf("surge %v: a set grew to %d replicas", &surge, p.current.size())
		}
	}
}
