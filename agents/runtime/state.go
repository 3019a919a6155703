package runtime

import (
	"fmt"
	"net/netip"
	"time"

	"segno/proto"
)

// Ref names one attempt to run one container of a pod.
type Ref struct {
	UID       string
	Container string
	Attempt   int // 0 for the first, one more for each restart
}

// String is the engine's name of the container.
func (r Ref) String() string {
	return fmt.Sprintf("segno_%s_%s_%d", r.UID, r.Container, r.Attempt)
}

// SandboxName is the engine's name of a pod's sandbox. No container is called
// so: an underscore is not allowed in their names.
func SandboxName(uid string) string { return "segno_" + uid + "__sandbox" }

// Pod is what an engine has of one pod.
type Pod struct {
	Namespace, Name, UID string
	Sandbox              *Sandbox // nil when there is none
	Containers           []Container
}

// Empty says that nothing is left of the pod.
func (p Pod) Empty() bool { return p.Sandbox == nil && len(p.Containers) == 0 }

// Latest answers the newest attempt of the named container.
func (p Pod) Latest(name string) (Container, bool) {
	var latest Container
	found := false
	for _, c := range p.Containers {
		if c.Ref.Container == name && (!found || c.Ref.Attempt > latest.Ref.Attempt) {
			latest, found = c, true
		}
	}
	return latest, found
}

// Attempt answers one attempt of the named container.
func (p Pod) Attempt(name string, attempt int) (Container, bool) {
	for _, c := range p.Containers {
		if c.Ref.Container == name && c.Ref.Attempt == attempt {
			return c, true
		}
	}
	return Container{}, false
}

// State is where a container or sandbox is in its life.
type State string

// The states.
const (
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
)

// Sandbox is a running or dead sandbox.
type Sandbox struct {
	ID          string
	Attempt     int // rises when a dead sandbox is replaced
	State       State
	PID         int // of the process that holds the namespaces; 0 when simulated
	HostNetwork bool
	Address     netip.Addr // that it was created with
	Second      netip.Addr // of the other family, if any
	CreatedAt   time.Time
}

// Container is one attempt of one container.
type Container struct {
	Ref        Ref
	ID         string
	State      State
	Sandbox    int // attempt of the sandbox it was made for
	Streak     int // crashes in a row before it; decides the back-off
	Image      string
	ImageID    string
	Seq        proto.Seq // newest event of the pod when it was created
	ExitCode   int
	OOMKilled  bool
	Message    string // the engine's words about a failed start
	CreatedAt  time.Time
	StartedAt  time.Time
	FinishedAt time.Time
}
