package commands

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/bus"
	"segno/cli/cluster"
	"segno/cli/contexts"
	"segno/proto"
)

// tokenLife is how long a join token may be used, as with kubeadm's.
const tokenLife = 24 * time.Hour

func newToken(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for machines that are to become nodes"}
	var life time.Duration
	var target localTarget
	create := &cobra.Command{
		Use: "create", Short: "Make a token, for one machine, once",
		Example: "  segno token create",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if target.dataDir != "" && cmd.Flags().Changed("context") {
				return errors.New("--data-dir and --context both say which cluster is meant: leave one out")
			}
			if err := c.aim(target); err != nil {
				return err
			}
			return c.createToken(cmd.Context(), streams, life)
		},
	}
	create.Flags().DurationVar(&life, "ttl", tokenLife, "How long the token may be used")
	create.Flags().StringVar(&target.dataDir, "data-dir", "", "Data directory of the cluster, if it runs on this machine (default the cluster of the context)")
	cmd.AddCommand(create)
	return cmd
}

// aim makes the cluster of a data directory the one that is spoken to, when one is
// named.
func (c *client) aim(target localTarget) error {
	if target.dataDir == "" {
		return nil
	}
	run, err := target.find()
	if err != nil {
		return err
	}
	if !run.Alive() {
		return fmt.Errorf("the cluster %q does not run; start it with: segno up%s", run.Name, dirFlag(run.DataDir))
	}
	*c.Context = run.Name
	return nil
}

func (c *client) createToken(ctx context.Context, streams genericiooptions.IOStreams, life time.Duration) error {
	raw, err := c.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return fmt.Errorf("read the contexts: %w", err)
	}
	found, err := contexts.BusOf(raw, *c.Context)
	if err != nil {
		return err
	}
	if found == nil {
		return errors.New("this context has no bus: nodes join segno's own clusters only")
	}
	block, _ := pem.Decode(found.CA)
	if block == nil {
		return errors.New("the context's certificate authority is not PEM")
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("read the context's certificate authority: %w", err)
	}
	token, err := bus.NewToken(bus.Fingerprint(authority))
	if err != nil {
		return err
	}
	clients, err := c.clients()
	if err != nil {
		return err
	}
	secret := cluster.TokenSecret(token, time.Now().Add(life))
	if _, err := clients.CoreV1().Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "segno join %s --token %s\n", found.URL, token)
	return nil
}

func newJoin(streams genericiooptions.IOStreams) *cobra.Command {
	var token, name, dir, dockerHost string
	var pods podLinks
	var verbose bool
	var served serviceFlags
	var entry ingressFlags
	cmd := &cobra.Command{
		Use: "join [BUS-URL]", Short: "Run this machine as a node of a cluster",
		Long: "Run this machine as a node of a cluster: its Docker engine runs the cluster's pods.\nThe token (segno token create) is used once; afterwards the node has a key of its own, and goes on as it was with --data-dir alone.",
		Example: `  # On the control plane
  segno token create
  # On the new machine
  segno join tls://10.0.0.1:4222 --token SU….…`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := cluster.JoinConfig{Token: token, Name: proto.NodeName(name), DockerHost: dockerHost}
			if len(args) > 0 {
				cfg.URL = args[0]
			}
			var err error
			if cfg.Pods, err = pods.read(); err != nil {
				return err
			}
			if cfg.Services, err = served.options(); err != nil {
				return err
			}
			if cfg.Ingress, err = entry.entry(); err != nil {
				return err
			}
			if cfg.DataDir, err = filepath.Abs(dir); err != nil {
				return fmt.Errorf("data directory: %w", err)
			}
			cfg.Log = newLogger(streams.ErrOut, verbose)
			cfg.Ready = func(node proto.NodeName, cluster string) {
				fmt.Fprintf(streams.Out, "This machine is the node %s of the cluster %q.\n", node, cluster)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return cluster.Join(ctx, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&token, "token", "", "Join token; needed the first time")
	flags.StringVar(&name, "name", "", "Name of the node (default the one of before, or the host name)")
	flags.StringVar(&dir, "data-dir", joinedDir(), "Folder of the node's credential and state")
	flags.StringVar(&dockerHost, "docker-host", "", "Address of the Docker engine (default the one of before, or DOCKER_HOST)")
	pods.register(cmd)
	served.add(cmd)
	entry.add(cmd)
	flags.BoolVarP(&verbose, "verbose", "v", false, "Log what happens inside")
	return cmd
}
