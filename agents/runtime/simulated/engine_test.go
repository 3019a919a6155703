package simulated_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"segno/agents/runtime"
	"segno/agents/runtime/runtimetest"
	"segno/agents/runtime/simulated"
)

var errUnknown = errors.New("manifest for app:1.91 not found: manifest unknown")

func noImage(image string) error {
	if image == "app:1.91" {
		return errUnknown
	}
	return nil
}

func TestConformance(t *testing.T) {
	engine := simulated.New(simulated.Config{NoImage: noImage})
	runtimetest.Run(t, &runtimetest.Harness{
		Runtime:      engine,
		Again:        func(*testing.T) runtime.Runtime { return engine },
		Program:      program,
		MissingImage: "app:1.91",
	})
}

func program(b runtimetest.Behaviour, spec *runtime.ContainerSpec) {
	spec.Image = "app:1"
	spec.Annotations = map[string]string{simulated.Log: b.Log}
	if !b.Forever {
		spec.Annotations[simulated.ExitCode] = strconv.Itoa(b.ExitCode)
		spec.Annotations[simulated.RunFor] = b.RunFor.String()
	}
	if b.IgnoreTerm {
		spec.Annotations[simulated.TermCode] = "ignore"
	}
	if b.OOM {
		spec.Annotations[simulated.OOM] = "true"
	}
}

func TestItSaysThatItIsSimulated(t *testing.T) {
	info, err := simulated.New(simulated.Config{}).Info(t.Context())
	if err != nil || !info.Simulated || info.Version != "simulated://1" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

func TestALostEngineTellsAndComesBack(t *testing.T) {
	engine := simulated.New(simulated.Config{})
	watching := make(chan struct{})
	lost := make(chan error)
	go func() {
		lost <- engine.Watch(t.Context(), func(uid string) {
			if uid == "" {
				close(watching)
			}
		})
	}()
	<-watching
	engine.SetDown(true)
	if err := <-lost; !errors.Is(err, runtime.ErrDown) {
		t.Errorf("watch: %v", err)
	}
	if _, err := engine.List(t.Context()); !errors.Is(err, runtime.ErrDown) {
		t.Errorf("list: %v", err)
	}
	engine.SetDown(false)
	if _, err := engine.List(t.Context()); err != nil {
		t.Errorf("list: %v", err)
	}
}

func TestStartTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 20 * time.Second
		engine := simulated.New(simulated.Config{StartLatency: latency})
		uid := "u"
		if err := engine.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: uid}); err != nil {
			t.Fatal(err)
		}
		spec := runtime.ContainerSpec{Ref: runtime.Ref{UID: uid, Container: "c"}, Image: "app:1"}
		if err := engine.CreateContainer(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if err := engine.StartContainer(t.Context(), spec.Ref); err != nil || time.Since(before) != latency {
			t.Errorf("start: %v after %s", err, time.Since(before))
		}
	})
}
