package sandbox

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestE11AForkGoesOnFromWhatWasThere(t *testing.T) {
	w := begin(t, 3)
	w.create(web(6, image, "500m"))
	w.advance(time.Minute)
	if n, on := w.ready(); n != 6 || len(on) != 3 {
		t.Fatalf("%d pods are ready, on %v\n%s", n, on, w.story())
	}

	fork := w.fork(Config{})
	fork.advance(time.Hour)
	if story := fork.story(); story != "" {
		t.Errorf("in a cluster that was settled nobody did anything, and yet:\n%s", story)
	}
	if n, _ := fork.ready(); n != 6 {
		t.Errorf("%d pods are ready in the fork", n)
	}
}

func TestE11ANodeThatVanishesInAForkIsEvictedAfterFiveMinutes(t *testing.T) {
	w := begin(t, 3)
	w.create(web(6, image, "500m"))
	w.advance(time.Minute)
	before := w.truth().Position()

	fork := w.fork(Config{})
	if !fork.Silence("n2") || fork.Silence("nope") {
		t.Error("n2 is not there, or nope is")
	}
	fork.advance(41 * time.Second)
	if n, _ := fork.ready(); n != 4 || !strings.Contains(fork.story(), "NodeSilent nodes/n2") {
		t.Errorf("%d pods are ready after a grace\n%s", n, fork.story())
	}
	fork.advance(5 * time.Minute)
	n, on := fork.ready()
	if n != 6 || on["n2"] != 0 {
		t.Errorf("%d pods are ready, on %v\n%s", n, on, fork.story())
	}
	if w.truth().Position() != before {
		t.Error("the cluster that was forked has a new transaction")
	}
}

func TestE11TheSameForkIsTheSameLog(t *testing.T) {
	w := begin(t, 4)
	w.create(web(9, image, "300m"))
	w.advance(time.Minute)
	play := func() (string, string) {
		fork := w.fork(Config{})
		fork.Silence("n1")
		fork.create(&corev1.Pod{ObjectMeta: web(1, image, "1").ObjectMeta, Spec: web(1, "other", "1").Spec.Template.Spec})
		fork.advance(20 * time.Minute)
		return fork.story(), fork.truth().Position().Hash.String()
	}
	one, hash := play()
	if len(one) == 0 {
		t.Fatal("nothing happened")
	}
	for range 3 {
		if other, again := play(); again != hash {
			t.Fatalf("another log:\n%s\nfirst it was:\n%s", other, one)
		}
	}
}

// TestE11NodesAreWellRightAfterThePauseOfTheControlPlane goes on from a moment at
// which every lease is old, because nobody took heartbeats.
func TestE11NodesAreWellRightAfterThePauseOfTheControlPlane(t *testing.T) {
	w := begin(t, 3)
	w.create(web(6, image, "100m"))
	w.advance(time.Minute)
	late := Source{Table: table, Folds: w.folds, Seq: w.truth().Position().Seq, Time: w.Now().Add(47 * time.Second)}
	after := open(t, Config{From: late})
	after.advance(10 * time.Minute)
	if n, _ := after.ready(); n != 6 || strings.Contains(after.story(), "NodeSilent") {
		t.Errorf("%d of 6 pods are ready after\n%s", n, after.story())
	}
}

// TestE11ANodeThatWasSilentStaysSo goes on from a moment at which it is known.
func TestE11ANodeThatWasSilentStaysSo(t *testing.T) {
	w := begin(t, 3)
	w.Silence("n2")
	w.advance(time.Minute)
	fork := w.fork(Config{})
	fork.create(web(6, image, "100m"))
	fork.advance(time.Minute)
	if n, on := fork.ready(); n != 6 || on["n2"] != 0 {
		t.Errorf("%d of 6 pods are ready, on %v", n, on)
	}
	if strings.Contains(fork.story(), "NodeHeard") {
		t.Errorf("the silent node came back:\n%s", fork.story())
	}
}
