package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/cluster"
	"segno/cli/contexts"
)

// joined answers the node that is meant, should it be one that joined a cluster:
// the one of the data directory, else, where no cluster is, the one of the default
// folder.
func (t localTarget) joined() (node cluster.JoinedNode, found bool, err error) {
	if t.dataDir != "" {
		dir, err := filepath.Abs(t.dataDir)
		if err != nil {
			return node, false, fmt.Errorf("data directory: %w", err)
		}
		return cluster.FindJoined(dir)
	}
	alive, err := aliveRuns()
	if err != nil || len(alive) > 0 {
		return node, false, err
	}
	if _, err := os.Stat(filepath.Join(contexts.DataDir(), "log")); !errors.Is(err, fs.ErrNotExist) {
		return node, false, nil
	}
	if node, found, err = cluster.FindJoined(joinedDir()); err != nil {
		return node, false, nil // it is no node's that joined
	}
	return node, found, nil
}

// joinedDir is the folder of a node that joins, unless another one is named.
func joinedDir() string { return filepath.Join(contexts.DataDir(), "node") }

// deleteNode ends a node on its own machine. Its Node object is the cluster's.
func deleteNode(ctx context.Context, streams genericiooptions.IOStreams, node cluster.JoinedNode, yes bool) error {
	if !yes {
		question := fmt.Sprintf("Remove the containers of the node %s of the cluster %q, and delete all of it in %s?", node.Name, node.Cluster, node.Dir)
		if err := confirm(streams, question); err != nil {
			return err
		}
	}
	unlock, err := cluster.LockData(node.Dir) // nobody starts it meanwhile
	if errors.Is(err, cluster.ErrInUse) {
		return fmt.Errorf("%w: the node %s runs; stop segno join first. Nothing was deleted", err, node.Name)
	}
	if err != nil {
		return err
	}
	defer unlock()
	removeRemains(ctx, streams, node.RemoveRemains) // its folder says what is its
	for _, name := range cluster.NodeNames() {
		if err := os.RemoveAll(filepath.Join(node.Dir, name)); err != nil {
			return fmt.Errorf("delete the node's data: %w", err)
		}
	}
	_ = os.Remove(node.Dir) // stays when it holds something of somebody else's
	fmt.Fprintf(streams.Out, "The node %s of the cluster %q is deleted here. Its Node object stays until, on the control plane: segno delete node %s (or kubectl delete node %s)\n",
		node.Name, node.Cluster, node.Name, node.Name)
	return nil
}
