package commands

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/clusterinfo"

	"segno/cli/contexts"
)

// newClusterInfo says where the cluster is found. Its subcommand dump is
// kubectl's; the rest of kubectl's would name the inside of the tunnel.
func newClusterInfo(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := clusterinfo.NewCmdClusterInfo(c, streams)
	cmd.Short, cmd.Long = "Say where the cluster is found", "Say where the cluster is found, once it has answered."
	cmd.Example = "  segno cluster-info"
	cmd.Run = nil
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(*cobra.Command, []string) error {
		discovery, err := c.ToDiscoveryClient()
		if err != nil {
			return err
		}
		server, err := discovery.ServerVersion()
		if err != nil {
			return fmt.Errorf("ask the cluster for its version: %w", err)
		}
		config, err := c.ToRawKubeConfigLoader().ClientConfig()
		if err != nil {
			return fmt.Errorf("read the contexts: %w", err)
		}
		fmt.Fprintf(streams.Out, "The API is served at %s (%s)\n", config.Host, server.GitVersion)
		raw, err := c.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return fmt.Errorf("read the contexts: %w", err)
		}
		if found, err := contexts.BusOf(raw, *c.Context); err == nil && found != nil && *c.APIServer == "" {
			fmt.Fprintf(streams.Out, "The bus is at %s\n", found.URL)
		}
		return nil
	}
	return cmd
}
