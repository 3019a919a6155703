package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	kubectldelete "k8s.io/kubectl/pkg/cmd/delete"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"segno/cli/cluster"
	"segno/cli/contexts"
)

// newDelete is kubectl's delete; with nothing named at all it deletes the
// cluster of this machine, after a question.
func newDelete(f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := kubectldelete.NewCmdDelete(f, streams)
	var target localTarget
	target.addFlags(cmd)
	var yes bool
	cmd.Flags().BoolVar(&yes, "yes", false, "Delete the cluster without a question")
	cmd.Short = "Delete objects; with nothing named, the cluster or node of this machine"
	cmd.Example += `

  # Stop the cluster that runs on this machine and delete its containers and all its data
  segno delete --yes

  # The same for a machine that has joined one, when segno join has ended there
  segno delete --yes --data-dir /var/lib/segno-node`
	objects := cmd.Run
	cmd.Run = func(cmd *cobra.Command, args []string) {
		if len(args) > 0 || namesObjects(cmd) {
			objects(cmd, args)
			return
		}
		cmdutil.CheckErr(deleteCluster(cmd, streams, target, yes))
	}
	return cmd
}

// namesObjects tells whether a flag says which objects are meant.
func namesObjects(cmd *cobra.Command) bool {
	for _, name := range []string{"filename", "kustomize", "raw", "selector", "all", "all-namespaces", "field-selector"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

func deleteCluster(cmd *cobra.Command, streams genericiooptions.IOStreams, target localTarget, yes bool) error {
	node, joined, err := target.joined()
	if err != nil {
		return err
	}
	if joined {
		return deleteNode(cmd.Context(), streams, node, yes)
	}
	run, err := target.find()
	if err != nil {
		return err
	}
	if !yes {
		question := fmt.Sprintf("Stop the cluster %q, remove its containers, and delete everything in %s, its whole history included?", run.Name, run.DataDir)
		if err := confirm(streams, question); err != nil {
			return err
		}
	}
	if err := stopRun(cmd.Context(), run); err != nil {
		return err
	}
	// Held until everything is gone: nobody starts it meanwhile. A machine may be
	// a node of another cluster in the folder of the cluster's own node.
	for _, dir := range []string{run.DataDir, filepath.Join(run.DataDir, "node")} {
		unlock, err := cluster.LockData(dir)
		if errors.Is(err, cluster.ErrInUse) {
			return fmt.Errorf("%w, which was started by another user or from another home; stop it as the user that started it. Nothing was deleted", err)
		}
		if err != nil {
			return err
		}
		defer unlock()
	}
	removeRemains(cmd.Context(), streams, func(ctx context.Context) cluster.Remains { return cluster.RemoveRemains(ctx, run.DataDir) }) // its data says what is its
	for _, name := range dataNames {
		if err := os.RemoveAll(filepath.Join(run.DataDir, name)); err != nil {
			return fmt.Errorf("delete the cluster's data: %w", err)
		}
	}
	_ = os.Remove(run.DataDir) // stays when it holds something of somebody else's
	if err := contexts.Remove(contexts.File(), run.Name); err != nil {
		return err
	}
	if err := run.Forget(); err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "The cluster %q is deleted.\n", run.Name)
	return nil
}

// removalPatience is how long an engine may take to remove a cluster's containers.
const removalPatience = 2 * time.Minute

// removeRemains says what it could not remove: that is no reason to keep the data.
func removeRemains(ctx context.Context, streams genericiooptions.IOStreams, remove func(context.Context) cluster.Remains) {
	ctx, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	removed := remove(ctx)
	if removed.Containers > 0 {
		fmt.Fprintf(streams.Out, "Removed its %d containers.\n", removed.Containers)
	}
	for _, bridge := range removed.Bridges {
		fmt.Fprintf(streams.Out, "Removed its bridge %s.\n", bridge)
	}
	for _, problem := range removed.Problems {
		fmt.Fprintln(streams.ErrOut, "warning:", problem)
	}
}

// dataNames is all that segno writes into a data directory; nothing else in it
// is ever removed. The lock comes last: what it guards is there until then.
var dataNames = []string{"log", "state", "notes", "leases", "pki", "checkpoints", "archive", "keep.json", "node", "kubeconfig", "segno.log", "anchor-EVENTS", "anchor-NOTES", "anchor-LEASES", "anchor-AUDIT", "lock"}
