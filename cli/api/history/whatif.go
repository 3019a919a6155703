package history

import (
	"encoding/json"
	"time"

	"segno/proto"
)

// Supposition is what a what-if supposes, as it is asked.
type Supposition struct {
	Objects []json.RawMessage `json:"objects,omitempty"` // applied, as `segno apply` does
	// RemoveNodes vanish, as machines do whose power is cut.
	RemoveNodes []string `json:"removeNodes,omitempty"`
	For         string   `json:"for,omitempty"` // how long time passes; "10m"
}

// WhatIf is what would have happened.
type WhatIf struct {
	At    proto.Seq  `json:"at"` // the transaction that it goes on from
	Time  time.Time  `json:"time"`
	For   string     `json:"for"`
	Steps []Supposed `json:"steps"`
	// More tells that there are more steps than are shown.
	More      bool        `json:"more,omitempty"`
	Workloads []Workload  `json:"workloads"`
	Nodes     []NodeShare `json:"nodes"`
	Pending   []Pending   `json:"pending"` // pods that no node takes, at the end
	Objects   []Tally     `json:"objects"` // made and ended
	// Held counts the pods that stay on nodes that are not ready only because no node
	// is, at the end: then nobody is evicted for it.
	Held     int      `json:"held,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Supposed is a transaction that would have been.
type Supposed struct {
	After string `json:"after"` // since the moment: "5m40s"
	Transaction
}

// Workload is what stands behind pods: a Deployment, or a pod of its own.
type Workload struct {
	Object proto.Object `json:"object"`
	Before *Ready       `json:"before,omitempty"` // absent when it was not there
	After  *Ready       `json:"after,omitempty"`  // absent when it is gone
}

// Ready counts pods.
type Ready struct {
	Ready  int `json:"ready"`
	Wanted int `json:"wanted"`
}

// NodeShare is how many living pods a node has, and whether it is ready itself:
// True, False, Unknown, or "" where it is not there.
type NodeShare struct {
	Name       string `json:"name"`
	PodsBefore int    `json:"podsBefore"`
	PodsAfter  int    `json:"podsAfter"`
	// Those that are being deleted are counted aside.
	TerminatingBefore int    `json:"terminatingBefore,omitempty"`
	TerminatingAfter  int    `json:"terminatingAfter,omitempty"`
	ReadyBefore       string `json:"readyBefore"`
	ReadyAfter        string `json:"readyAfter"`
}

// Pending is a pod that waits for a node, and why.
type Pending struct {
	Object proto.Object `json:"object"`
	Why    string       `json:"why,omitempty"`
	Before bool         `json:"before,omitempty"` // it did so before
}

// Tally counts the objects of a resource that were made and that ended.
type Tally struct {
	Group    string `json:"group,omitempty"`
	Resource string `json:"resource"`
	Created  int    `json:"created"`
	Deleted  int    `json:"deleted"`
}
