package commands

import (
	"fmt"
	"io"
	"strings"
	"time"

	"segno/cli/cluster"
	"segno/cli/contexts"
	"segno/cli/version"
)

// announce writes where the cluster is found: its kubeconfig, a context, and
// the run file, last, since it says that the others are there.
func announce(c *cluster.Cluster, run *contexts.Run, info cluster.Info) error {
	entry, err := c.Entry()
	if err != nil {
		return err
	}
	if err := entry.Write(info.Kubeconfig); err != nil {
		return err
	}
	if err := entry.Merge(contexts.File()); err != nil {
		return err
	}
	run.Server, run.Bus, run.Runtime = info.Server, info.Bus, string(info.Runtime)
	return run.Save()
}

func greet(out io.Writer, info cluster.Info, dir string, took time.Duration, detached bool) {
	fmt.Fprintf(out, "segno %s: the cluster %q is up (%.1f s).\n", version.Version, info.Name, took.Seconds())
	fmt.Fprintf(out, "  API         %s\n  bus         %s\n  data        %s\n  kubeconfig  %s\n", info.Server, info.Bus, dir, info.Kubeconfig)
	names := make([]string, 0, len(info.Nodes))
	for _, name := range info.Nodes {
		names = append(names, string(name))
	}
	if len(names) > 4 {
		names = append(names[:3], fmt.Sprintf("… %d in all", len(info.Nodes)))
	}
	fmt.Fprintf(out, "  nodes       %s, runtime %s\n", strings.Join(names, ", "), info.Runtime)
	if info.Kept != "" {
		fmt.Fprintf(out, "  as before   %s\n", info.Kept)
	}
	if info.Keep > 0 {
		fmt.Fprintf(out, "  keeps       %s of the log (--keep); older epochs are archived to %s\n", inDays(info.Keep), info.Archive)
	}
	if info.Runtime == cluster.RuntimeDocker && info.Why != "" {
		fmt.Fprintf(out, "\nWARNING: the container engine does not answer, and the node is not ready until it does: %s\n"+
			"This cluster has containers at it. Start the engine; or, to pretend containers instead, take --runtime simulated.\n", info.Why)
	}
	if info.Runtime == cluster.RuntimeSimulated {
		fmt.Fprintln(out, "\nSIMULATED: containers are only pretended; nothing runs on this machine.")
		if info.Why != "" {
			fmt.Fprintf(out, "No container engine could be used: %s\nRun `go tool task up` as root to have one installed, or see --runtime and --docker-host.\n", info.Why)
		}
	}
	where := ", in another terminal"
	if detached {
		where = ""
	}
	fmt.Fprintln(out, "\nTry"+where+":\n  segno create deployment web --image=nginx --replicas=2\n  segno get pods -o wide\n  segno history deployment/web")
}

// fate says what becomes of containers when their cluster stops.
func fate(runtime string) string {
	if runtime == string(cluster.RuntimeSimulated) {
		return ""
	}
	return "; its containers go on"
}
