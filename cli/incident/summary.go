package incident

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/cli/archive"
	"segno/events"
	"segno/proto"
)

// Summary is what a file holds.
type Summary struct {
	archive.Header
	Nodes []string // as of the end
	// Objects and Transactions of EVENTS: those that it begins with, and those in it.
	Objects, Transactions int
	State                 string // hash of all objects at the end
	// Differs is the first transaction after which the state is not what was
	// recorded: this segno folds it otherwise than the one that made the file. 0 is
	// none.
	Differs  proto.Seq
	Requests archive.AuditHeld
}

var nodes = proto.Resource{Name: "nodes"}

// Summary says what the file holds.
func (i *Incident) Summary() (Summary, error) {
	truth := i.archive.Logs[proto.StreamEvents]
	out := Summary{Header: i.archive.Header, Differs: i.archive.Differs, Requests: i.archive.Audit, State: truth.StateHash().String()}
	if first := truth.First(); first > 0 {
		out.Transactions = int(truth.Position().Seq + 1 - first)
	}
	found, err := events.ListAs[*corev1.Node](truth.View(), events.Query{Resource: nodes})
	if err != nil {
		return out, fmt.Errorf("read the nodes: %w", err)
	}
	for _, node := range found {
		out.Nodes = append(out.Nodes, node.Name)
	}
	slices.Sort(out.Nodes)
	for _, kind := range i.table.All() {
		if kind.Stream != proto.StreamEvents {
			continue
		}
		page, err := truth.View().List(events.Query{Resource: kind.Resource})
		if err != nil {
			return out, fmt.Errorf("count the %s: %w", kind.Resource, err)
		}
		out.Objects += len(page.Items)
	}
	return out, nil
}
