package runtime

import (
	"net/netip"

	"segno/proto"
)

// SandboxSpec is a sandbox to create.
type SandboxSpec struct {
	Namespace, Name, UID string
	Attempt              int
	Hostname             string
	Hosts                []Host     // further lines of /etc/hosts
	Address              netip.Addr // that the network will give it; invalid with HostNetwork
	Second               netip.Addr // of the other family; invalid where the node has one
	HostNetwork          bool
	HostPID, HostIPC     bool
}

// Host is a line of /etc/hosts.
type Host struct {
	Name    string
	Address string
}

// ContainerSpec is one attempt of a container to create.
type ContainerSpec struct {
	Ref
	Namespace, Name string // of the pod
	Sandbox         int    // attempt of the sandbox to join
	Streak          int
	Seq             proto.Seq
	Annotations     map[string]string // of the pod; read by the simulated runtime

	Image      string
	Command    []string // replaces the image's entry point unless empty
	Args       []string
	Env        []string // NAME=value
	WorkingDir string
	Mounts     []Mount
	Resources  Resources
	Security   Security
	Stdin, TTY bool
	StdinOnce  bool
	SharePID   bool // one process namespace for the pod, held by its sandbox
	HostPID    bool
}

// Mount brings a folder or file of the node into a container.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// Resources are enforced limits; 0 is none.
type Resources struct {
	CPUShares int64 // relative weight
	MilliCPU  int64 // hard limit
	Memory    int64 // bytes; beyond it the container is killed
	OOMScore  int   // adjustment: who dies first when the node runs out
}

// Security says what the container's processes may do.
type Security struct {
	User            string // uid, or uid:gid; "" is the image's
	Groups          []string
	Privileged      bool
	ReadOnly        bool // root file system
	NoNewPrivileges bool
	Add, Drop       []string // capabilities, without CAP_
}

// EnterVariable, in the environment of a sandbox's process, names the file of
// the network namespace that it is to enter by itself.
const EnterVariable = "SEGNO_ENTER_NETWORK"
