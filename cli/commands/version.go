package commands

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"segno/cli/version"
)

func newVersion(f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	var server bool
	cmd := &cobra.Command{
		Use: "version", Short: "Say which segno this is, and which the cluster is",
		Example: "  segno version\n  segno version --cluster",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			own := version.API()
			fmt.Fprintf(streams.Out, "segno %s (%s, %s; Kubernetes API %s.%s)\n", version.Version, own.GoVersion, own.Platform, own.Major, own.Minor)
			if !server {
				return nil
			}
			client, err := f.ToDiscoveryClient()
			if err != nil {
				return err
			}
			info, err := client.ServerVersion()
			if err != nil {
				return err
			}
			fmt.Fprintf(streams.Out, "server %s (%s, %s)\n", info.GitVersion, info.GoVersion, info.Platform)
			return nil
		},
	}
	cmd.Flags().BoolVar(&server, "cluster", false, "Ask the cluster too")
	return cmd
}
