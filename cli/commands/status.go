package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/cluster"
	"segno/cli/contexts"
)

func newStatus(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var target localTarget
	cmd := &cobra.Command{
		Use: "status", Short: "Say how the cluster of this machine is",
		Example: "  segno status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := target.known()
			if err != nil {
				return err
			}
			fmt.Fprintf(streams.Out, "cluster     %s\ndata        %s\n", run.Name, run.DataDir)
			if err := elsewhere(run); errors.Is(err, cluster.ErrInUse) {
				fmt.Fprintln(streams.Out, "state       running, started by another user or from another home")
				return nil
			} else if err != nil {
				return err
			}
			if !run.Alive() {
				fmt.Fprintln(streams.Out, "state       stopped")
				return fmt.Errorf("the cluster %q does not run; start it with: segno up%s", run.Name, dirFlag(run.DataDir))
			}
			fmt.Fprintf(streams.Out, "state       running (process %d, for %s)\nAPI         %s\nbus         %s\nruntime     %s\n",
				run.PID, time.Since(run.Started).Round(time.Second), run.Server, run.Bus, run.Runtime)
			*c.Context = run.Name
			*c.KubeConfig = contexts.File()
			return c.tellContents(cmd.Context(), streams)
		},
	}
	target.addFlags(cmd)
	return cmd
}

// tellContents counts nodes and pods.
func (c *client) tellContents(ctx context.Context, streams genericiooptions.IOStreams) error {
	clients, err := c.clients()
	if err != nil {
		return err
	}
	nodes, err := clients.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := 0
	for _, n := range nodes.Items {
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	pods, err := clients.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	phases := map[corev1.PodPhase]int{}
	for _, p := range pods.Items {
		phases[p.Status.Phase]++
	}
	var counts []string
	for _, phase := range []corev1.PodPhase{corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown} {
		if phases[phase] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", phases[phase], phase))
		}
	}
	if len(counts) == 0 {
		counts = []string{"none"}
	}
	fmt.Fprintf(streams.Out, "nodes       %d of %d ready\npods        %s\nsequence    %s\n", ready, len(nodes.Items), strings.Join(counts, ", "), pods.ResourceVersion)
	return nil
}

// elsewhere answers cluster.ErrInUse for a cluster that runs although this home
// knows of no process: it was started from another one.
func elsewhere(run contexts.Run) error {
	if run.Alive() {
		return nil
	}
	unlock, err := cluster.LockData(run.DataDir)
	if err == nil {
		unlock()
	}
	return err
}

func newDown(streams genericiooptions.IOStreams) *cobra.Command {
	var target localTarget
	cmd := &cobra.Command{
		Use: "down", Short: "Stop the cluster of this machine; containers and history stay",
		Example: "  segno down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := target.known()
			if err != nil {
				return err
			}
			if err := elsewhere(run); errors.Is(err, cluster.ErrInUse) {
				return fmt.Errorf("the cluster %q runs, started by another user or from another home: %w; stop it as the user that started it", run.Name, err)
			} else if err != nil {
				return err
			}
			if !run.Alive() {
				fmt.Fprintf(streams.Out, "The cluster %q does not run.\n", run.Name)
				return run.Forget()
			}
			if err := stopRun(cmd.Context(), run); err != nil {
				return err
			}
			fmt.Fprintf(streams.Out, "The cluster %q is stopped%s.\n", run.Name, fate(run.Runtime))
			return nil
		},
	}
	target.addFlags(cmd)
	return cmd
}
