package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
)

// keep makes a keeper of the world's forks; it runs until the test, or stop, ends.
func (w *world) keep() (k *Forks, stop func()) {
	w.t.Helper()
	k, err := NewForks(ForksConfig{Table: table, Folds: w.folds})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	return k, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) make(k *Forks, name string, virtual bool) (history.Fork, error) {
	return k.Make(w.ctx, history.ForkRequest{Name: name, Virtual: virtual}, w.truth().Position().Seq, w.Now())
}

// TestE11RemovingAForkFreesItsGoroutines: a bubble does not end before all that
// was begun in it has.
func TestE11RemovingAForkFreesItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, 2)
		w.create(web(4, image, "100m"))
		w.advance(time.Minute)
		k, stop := w.keep()
		defer stop()
		for i := range DefaultMost {
			if _, err := w.make(k, fmt.Sprintf("f%d", i), i%2 == 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.make(k, "more", true); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "remove one with: segno fork rm") {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, f := range k.List().Forks {
			if f.Trouble != "" || f.Nodes != 2 || f.Seq != f.At {
				t.Errorf("a fork of a settled cluster after an hour: %+v", f)
			}
			if _, err := k.Advance(w.ctx, f.Name, time.Hour); err != nil {
				t.Error(err)
			}
			if err := k.Remove(f.Name); err != nil {
				t.Error(err)
			}
			if _, there := k.Door(f.Name); there || len(k.List().Forks) != DefaultMost-1-i {
				t.Errorf("%s is still there", f.Name)
			}
		}
		if _, err := k.Advance(w.ctx, "f0", time.Hour); !apierrors.IsNotFound(err) {
			t.Errorf("time in a fork that is gone: %v", err)
		}
		// What is left open ends with the keeper.
		if _, err := w.make(k, "left", false); err != nil {
			t.Fatal(err)
		}
	})
}

func TestE11RemovingAForkFreesItsMemory(t *testing.T) {
	w := begin(t, 3)
	w.create(web(20, image, "100m"))
	w.advance(time.Minute)
	k, stop := w.keep()
	defer stop()
	before := heap()
	for i := range DefaultMost {
		name := fmt.Sprintf("f%d", i)
		if _, err := w.make(k, name, true); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Advance(w.ctx, name, 10*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	during := heap()
	for i := range DefaultMost {
		if err := k.Remove(fmt.Sprintf("f%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	after := heap()
	const mib = 1 << 20
	t.Logf("%d forks: %d MiB, %d MiB with them, %d MiB after them", DefaultMost, before/mib, during/mib, after/mib)
	if during < before+DefaultMost*mib {
		t.Error("the forks take no memory: this test measures nothing")
	}
	if after > before+8*mib {
		t.Errorf("%d MiB are not given back", (after-before)/mib)
	}
}

// heap is what lives.
func heap() int64 {
	var m runtime.MemStats
	for range 3 { // pools and finalizers take their rounds
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestE11WhatIsNoForkIsRefused(t *testing.T) {
	w := begin(t, 1)
	k, stop := w.keep()
	defer stop()
	for _, name := range []string{"", "A", "a b", "-a", "../a", "a/b", strings.Repeat("a", longestName+1)} {
		if _, err := w.make(k, name, true); !apierrors.IsBadRequest(err) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	made, err := w.make(k, "a", true)
	if err != nil || made.User != "fork:a" || made.Path != "/fork/a" {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := w.make(k, "a", true); !apierrors.IsAlreadyExists(err) {
		t.Errorf("the same name: %v", err)
	}
	var status apierrors.APIStatus
	if _, err := w.make(k, "a", true); !errors.As(err, &status) || status.Status().Code != http.StatusConflict {
		t.Errorf("the same name: %v", err)
	}
	if status.Status().Reason != metav1.StatusReasonAlreadyExists {
		t.Errorf("reason %s", status.Status().Reason)
	}
}
