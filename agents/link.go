package agents

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// Link is the agent's way to the control plane. The link knows which node it
// speaks for: every call is authenticated by it, not by its content.
type Link interface {
	Feed // of what this node should run

	// Register creates or updates the Node object and answers it as it then
	// is: with the pod CIDR once that is assigned.
	Register(ctx context.Context, node *corev1.Node) (*corev1.Node, error)
	// Report delivers statuses; it returns once the answer is here.
	Report(ctx context.Context, report proto.Report) (proto.Reply, error)
	// Beat says that the node lives. It answers the counter of the newest
	// Want that was relayed to the node, 0 when that is not known.
	Beat(ctx context.Context) (uint64, error)
}

// Feed tells a node, change by change, what it should know.
type Feed interface {
	// Wants subscribes to what is relayed; it is subscribed when it
	// returns. The channel closes when something may have been missed (the
	// connection broke, the buffer was full) or ctx ends; the agent then
	// subscribes anew and asks for a full Sync.
	Wants(ctx context.Context) (<-chan proto.Want, error)
	// Sync answers everything that the node should know, with the counter of
	// the newest Want that it covers.
	Sync(ctx context.Context) (proto.Want, error)
}
