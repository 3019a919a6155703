package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"segno/proto"
)

// JoinedNode is a node of this machine whose control plane is elsewhere, as its
// folder says.
type JoinedNode struct {
	Dir     string
	Name    proto.NodeName
	Cluster string
	scope   string
}

// FindJoined answers whose folder dir is; false when no node has joined there. That
// of a cluster's own node is an error that says so: it goes with its cluster.
func FindJoined(dir string) (node JoinedNode, found bool, err error) {
	kept, found, err := keptAdmission(filepath.Join(dir, credentialFile))
	if err != nil || !found {
		return node, false, err
	}
	if kept.URL == "" {
		return node, false, fmt.Errorf("%s is the folder of a cluster's own node, which goes with the cluster: segno delete --data-dir %s", dir, filepath.Dir(dir))
	}
	name, of := strings.CutPrefix(string(kept.Actor), string(proto.NodeActor("")))
	if !of || name == "" || len(kept.Fingerprint) < scopeDigits {
		return node, false, fmt.Errorf("%s does not say which node it is of: the credential has %q of the cluster %q", filepath.Join(dir, credentialFile), kept.Actor, kept.Fingerprint)
	}
	return JoinedNode{Dir: dir, Name: proto.NodeName(name), Cluster: kept.Cluster, scope: kept.Fingerprint[:scopeDigits]}, true, nil
}

// RemoveRemains removes what a node that has stopped for good has on this machine
// beside its folder. What cannot be removed does not hold up the rest.
func (n JoinedNode) RemoveRemains(ctx context.Context) (out Remains) {
	out.remove(ctx, n.scope, string(n.Name), n.Dir)
	return out
}

// NodeNames is all that segno writes into a node's folder. The lock comes last: what
// it guards is there until then.
func NodeNames() []string {
	return []string{"pods", "told", "node", "outbox", "volumes", "catalog", engineFile, simulatedFile, linksFile, entryFile, credentialFile, "lock"}
}
