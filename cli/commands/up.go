package commands

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/cluster"
	"segno/cli/contexts"
	"segno/cli/version"
	"segno/proto"
)

type upOptions struct {
	dataDir, listen, busListen, runtime, node, docker string
	nodes                                             int
	nodeGrace                                         time.Duration
	detach, verbose                                   bool
	streams                                           genericiooptions.IOStreams
}

func newUp(streams genericiooptions.IOStreams) *cobra.Command {
	o := upOptions{streams: streams}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a cluster on this machine",
		Long:  "Run a cluster on this machine: the log, the control plane and a node, in one process.\nCtrl-C or SIGTERM stops it; its containers and its history stay.",
		Example: `  # Run a cluster with this machine's Docker engine
  segno up

  # Run it in the background, then look at it and stop it
  segno up --detach
  segno status
  segno down

  # A hundred simulated nodes, in a folder of its own
  segno up --data-dir /tmp/scale --runtime simulated --nodes 100`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dataDir, "data-dir", contexts.DataDir(), "Folder of everything that lasts")
	flags.StringVar(&o.listen, "listen", "", "Address of the HTTPS API, host:port (default 127.0.0.1 and a free port, 6443 if possible)")
	flags.StringVar(&o.busListen, "bus-listen", "", "Address of the bus for nodes and the command line, host:port (default the host of --listen and a free port)")
	flags.StringVar(&o.runtime, "runtime", "auto", "What runs the containers: auto, docker or simulated")
	flags.IntVar(&o.nodes, "nodes", 0, "Number of simulated nodes")
	flags.StringVar(&o.node, "node-name", "", "Name of this machine's node (default its host name)")
	flags.StringVar(&o.docker, "docker-host", "", "Address of the Docker engine (default DOCKER_HOST)")
	flags.DurationVar(&o.nodeGrace, "node-monitor-grace-period", 40*time.Second, "How long a node may be silent before it is Unknown")
	flags.BoolVar(&o.detach, "detach", false, "Run in the background")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "Log what happens inside")
	return cmd
}

func (o *upOptions) run(ctx context.Context) error {
	dir, err := filepath.Abs(o.dataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	o.dataDir = dir
	if o.detach {
		return o.runDetached(ctx)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	started := time.Now()
	run := contexts.Run{Name: clusterName(dir), PID: os.Getpid(), DataDir: dir, Started: started.UTC()}
	if os.Getenv(detachedVariable) != "" {
		run.Log = o.logFile()
	}
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	progress := &progressBar{out: o.streams.ErrOut}
	var c *cluster.Cluster
	cfg := cluster.Config{
		Name: run.Name, DataDir: dir, Listen: o.listen, BusListen: o.busListen, Runtime: cluster.Runtime(o.runtime),
		Nodes: o.nodes, NodeName: proto.NodeName(o.node), DockerHost: o.docker, NodeGrace: o.nodeGrace,
		Log: slog.New(slog.NewTextHandler(o.streams.ErrOut, &slog.HandlerOptions{Level: level})),
		Progress: func(log string, done, total proto.Seq) {
			progress.show("reading the log "+log, uint64(done), uint64(total))
		},
	}
	failed := make(chan error, 1)
	cfg.Ready = func(info cluster.Info) {
		progress.end()
		if err := announce(c, &run, info); err != nil {
			failed <- err
			stop()
			return
		}
		greet(o.streams.Out, info, dir, time.Since(started))
	}
	if c, err = cluster.New(cfg); err != nil {
		return err
	}
	err = c.Run(ctx)
	if run.Server != "" {
		err = firstError(err, run.Forget())
	}
	select {
	case announceErr := <-failed:
		return announceErr
	default:
	}
	if err == nil {
		fmt.Fprintln(o.streams.Out, "Stopped. Containers go on; start again with: segno up"+o.dirFlag())
	}
	return err
}

func (o *upOptions) dirFlag() string {
	if o.dataDir == contexts.DataDir() {
		return ""
	}
	return " --data-dir " + o.dataDir
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

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

func greet(out io.Writer, info cluster.Info, dir string, took time.Duration) {
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
	if info.Runtime == cluster.RuntimeSimulated {
		fmt.Fprintln(out, "\nSIMULATED: containers are only pretended; nothing runs on this machine.")
		if info.Why != "" {
			fmt.Fprintf(out, "No container engine could be used: %s\nRun `go tool task up` as root to have one installed, or see --runtime and --docker-host.\n", info.Why)
		}
	}
	fmt.Fprintln(out, "\nTry, in another terminal:\n  segno create deployment web --image=nginx --replicas=2\n  segno get pods -o wide\n  segno history deployment/web")
}

// detachedVariable tells a cluster process that it runs in the background.
const detachedVariable = "SEGNO_DETACHED"

func (o *upOptions) logFile() string { return filepath.Join(o.dataDir, "segno.log") }

// detachPatience is how long a detached cluster may take to be ready: a long
// log may have to be read first.
const detachPatience = 5 * time.Minute

// runDetached starts this very command line again in the background and waits
// until the cluster is ready.
func (o *upOptions) runDetached(ctx context.Context) error {
	if err := os.MkdirAll(o.dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	log, err := os.OpenFile(o.logFile(), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	args := []string{"up", "--data-dir", o.dataDir, "--listen", o.listen, "--bus-listen", o.busListen, "--runtime", o.runtime,
		"--nodes", fmt.Sprint(o.nodes), "--node-name", o.node, "--docker-host", o.docker,
		"--node-monitor-grace-period", o.nodeGrace.String(), fmt.Sprintf("--verbose=%t", o.verbose)}
	child := exec.Command(self, args...) // not CommandContext: it outlives this process
	child.Stdout, child.Stderr = log, log
	child.Env = append(os.Environ(), detachedVariable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }() // answered before this process ends, or never asked for
	ctx, cancel := context.WithTimeout(ctx, detachPatience)
	defer cancel()
	err = until(ctx, "wait for the cluster", func() (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("the cluster did not start (%v):\n%s", err, readAll(o.logFile()))
		default:
		}
		run, err := localTarget{dataDir: o.dataDir}.find()
		return err == nil && run.PID == child.Process.Pid && run.Alive(), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprint(o.streams.Out, readAll(o.logFile()))
	fmt.Fprintf(o.streams.Out, "It runs in the background (process %d); stop it with: segno down%s\n", child.Process.Pid, o.dirFlag())
	return nil
}

func readAll(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
