package pod

import (
	"fmt"
	"time"

	"segno/agents/runtime"
)

// Verb is what kind of effect an Action has.
type Verb string

// The verbs. Nothing and Wait have no effect.
const (
	Nothing         Verb = "nothing"
	Wait            Verb = "wait"
	CreateSandbox   Verb = "create sandbox"
	RemoveSandbox   Verb = "remove sandbox"
	AttachNetwork   Verb = "attach network"
	Release         Verb = "release network and volumes"
	GetImage        Verb = "get image"
	PullImage       Verb = "pull image"
	CreateContainer Verb = "create container"
	StartContainer  Verb = "start container"
	StopContainer   Verb = "stop container"
	KillContainer   Verb = "kill container"
	RemoveContainer Verb = "remove container"
	End             Verb = "end"
)

// Action is one step: at most one effect.
type Action struct {
	Verb    Verb
	Ref     runtime.Ref // the container it is about
	Sandbox int         // attempt of the sandbox to create or to join
	Streak  int         // crashes in a row before the container to create
	At      time.Time   // of Wait
}

// String is what a log or a test shows, without times.
func (a Action) String() string {
	switch a.Verb {
	case CreateSandbox:
		return fmt.Sprintf("%s %d", a.Verb, a.Sandbox)
	case GetImage, PullImage, CreateContainer, StartContainer, StopContainer, KillContainer, RemoveContainer:
		return fmt.Sprintf("%s %s/%d", a.Verb, a.Ref.Container, a.Ref.Attempt)
	default:
		return string(a.Verb)
	}
}
