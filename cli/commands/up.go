package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/cluster"
	"segno/cli/contexts"
	"segno/events/kinds"
	"segno/proto"
)

type upOptions struct {
	dataDir, listen, busListen, runtime, node, docker string
	podNetwork, auditKeep, auditSize                  string
	serviceNetwork, nodePorts, pool                   string
	pods                                              podLinks
	nodes                                             int
	nodeGrace                                         time.Duration
	detachPatience                                    time.Duration
	epochSize, keep, archive, archiveCredentials      string
	epochAge                                          time.Duration
	detach, verbose                                   bool
	services                                          serviceFlags
	ingress                                           ingressFlags
	flags                                             *pflag.FlagSet // as a person gave them; nil is none
	made                                              fresh          // by this start
	streams                                           genericiooptions.IOStreams
}

func newUp(streams genericiooptions.IOStreams) *cobra.Command {
	o := upOptions{streams: streams, detachPatience: defaultDetachPatience}
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
	flags.StringVar(&o.runtime, "runtime", "auto", "What runs the containers: docker, simulated, or auto: what did before, or docker when there is an engine")
	flags.IntVar(&o.nodes, "nodes", 0, "Number of simulated nodes (default as many as before)")
	flags.StringVar(&o.node, "node-name", "", "Name of this machine's node (default the one of before, or its host name)")
	flags.StringVar(&o.docker, "docker-host", "", "Address of the Docker engine (default the one of before, or DOCKER_HOST)")
	flags.StringVar(&o.podNetwork, "pod-network-cidr", "", "Network of the pods, or one of IPv4 and one of IPv6 with a comma between, chosen at the first start (default 10.244.0.0/16, or the next that this machine has free)")
	flags.StringVar(&o.serviceNetwork, "service-cidr", "", "Network of the addresses of Services, or one of IPv4 and one of IPv6 with a comma between, chosen at the first start (default "+kinds.DefaultServiceNetwork.String()+")")
	flags.StringVar(&o.nodePorts, "service-node-port-range", "", "Range of node ports of Services (default as before, at first "+kinds.DefaultNodePorts.String()+")")
	flags.StringVar(&o.pool, "load-balancer-pool", "", "Addresses for Services of type LoadBalancer: networks and ranges, such as 192.168.1.240-192.168.1.250,fd00::/120 (default as before, at first none); while the cluster runs, edit the ConfigMap "+kinds.PoolConfig.String())
	o.pods.register(cmd)
	flags.DurationVar(&o.nodeGrace, "node-monitor-grace-period", 40*time.Second, "How long a node may be silent before it is Unknown")
	flags.StringVar(&o.auditKeep, "audit-keep", "", "How long it is kept who asked for what: 90d, 36h (default as before, at first 90d)")
	flags.StringVar(&o.auditSize, "audit-size", "", "How much of that is kept at most: 4Gi (default as before, at first 4Gi)")
	flags.StringVar(&o.epochSize, "epoch-size", "", "How large an epoch of the log becomes before the next begins (default 8Gi)")
	flags.DurationVar(&o.epochAge, "epoch-age", 0, "How old an epoch of the log becomes before the next begins; 0 is no matter")
	flags.StringVar(&o.keep, "keep", "", "Archive epochs of the log that are older than this, and drop their streams: 90d, 36h; forever (default as before, at first forever)")
	flags.StringVar(&o.archive, "archive", "", "Place of archived epochs: a folder, or nats://HOST:PORT/BUCKET (default as before, at first archive in the data directory)")
	flags.StringVar(&o.archiveCredentials, "archive-credentials", "", "File of NATS credentials for that bucket (default as before, at first none)")
	flags.BoolVar(&o.detach, "detach", false, "Run in the background")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "Log what happens inside")
	o.services.add(cmd)
	o.ingress.add(cmd)
	o.ingress.addChoice(cmd)
	o.flags = flags
	completeChoices(cmd, "runtime", "auto", "docker", "simulated")
	return cmd
}

func (o *upOptions) run(ctx context.Context) error {
	if o.dataDir == "" {
		return errors.New("data directory: must be named")
	}
	dir, err := filepath.Abs(o.dataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	o.dataDir = dir
	name, err := freeName(dir)
	if err != nil {
		return err
	}
	cfg, err := o.config(name)
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return err
	}
	o.made = newFresh(dir)
	if o.detach {
		return o.runDetached(ctx)
	}
	return o.runHere(ctx, cfg)
}

func (o *upOptions) config(name string) (cluster.Config, error) {
	keep, err := keepFor(o.auditKeep)
	if err != nil {
		return cluster.Config{}, fmt.Errorf("--audit-keep %w", err)
	}
	audit, err := bytesOf("--audit-size", o.auditSize)
	if err != nil {
		return cluster.Config{}, err
	}
	epoch, err := bytesOf("--epoch-size", o.epochSize)
	if err != nil {
		return cluster.Config{}, err
	}
	kept := cluster.Keeping{For: cluster.KeepAll, Archive: o.archive, Credentials: o.archiveCredentials}
	if o.keep != "forever" {
		if kept.For, err = keepFor(o.keep); err != nil {
			return cluster.Config{}, fmt.Errorf("--keep %w; or forever", err)
		}
	}
	pods, err := o.pods.read()
	if err != nil {
		return cluster.Config{}, err
	}
	served, err := o.services.options()
	if err != nil {
		return cluster.Config{}, err
	}
	entry, err := o.ingress.entry()
	if err != nil {
		return cluster.Config{}, err
	}
	return cluster.Config{
		Keep: kept, Pods: pods, Services: served, Ingress: entry,
		Name: name, DataDir: o.dataDir, Listen: o.listen, BusListen: o.busListen, Runtime: cluster.Runtime(o.runtime),
		Nodes: o.nodes, NodeName: proto.NodeName(o.node), DockerHost: o.docker, PodNetwork: o.podNetwork, NodeGrace: o.nodeGrace,
		ServiceNetwork: o.serviceNetwork, NodePorts: o.nodePorts, LoadBalancerPool: o.pool,
		AuditKeep: keep, AuditBytes: audit,
		EpochBytes: epoch, EpochAge: o.epochAge,
		Log: newLogger(o.streams.ErrOut, o.verbose),
	}, nil
}

// bytesOf reads a flag that is a size; 0 when it is not given.
func bytesOf(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	size, err := resource.ParseQuantity(text)
	if err != nil || size.Value() <= 0 {
		return 0, fmt.Errorf("%s %q: must be a number of bytes, such as 4Gi", flag, text)
	}
	return size.Value(), nil
}

// runHere runs the cluster in this process until it is told to stop.
func (o *upOptions) runHere(ctx context.Context, cfg cluster.Config) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	started := time.Now()
	run := contexts.Run{Name: cfg.Name, PID: os.Getpid(), DataDir: o.dataDir, Started: started.UTC()}
	told := openReadiness()
	if os.Getenv(detachedVariable) != "" {
		run.Log = o.logFile()
	}
	progress := &progressBar{out: o.streams.ErrOut}
	cfg.Progress = func(log string, done, total proto.Seq) {
		progress.show("reading the log "+log, uint64(done), uint64(total))
	}
	ready := false
	defer func() {
		if err != nil && !ready {
			o.made.undo(ctx)
		}
	}()
	var c *cluster.Cluster
	failed := make(chan error, 1)
	cfg.Ready = func(info cluster.Info) {
		progress.end()
		if err := announce(c, &run, info); err != nil {
			failed <- err
			stop()
			return
		}
		ready = true
		greet(o.streams.Out, info, o.dataDir, time.Since(started), run.Log != "")
		told.tell()
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
		fmt.Fprintf(o.streams.Out, "Stopped%s; start again with: segno up%s\n", fate(run.Runtime), dirFlag(o.dataDir))
	}
	return err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
