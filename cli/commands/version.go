package commands

import (
	"fmt"

	"github.com/spf13/cobra"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	kubectlversion "k8s.io/kubectl/pkg/cmd/version"

	"segno/cli/version"
)

func newVersion(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var clientOnly bool
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Say which segno this is, and which the cluster is",
		Long: "Say which segno this is, and which the cluster is; versions are those of the Kubernetes API that is spoken,\n" +
			"with segno's own behind the plus sign. Without a cluster the exit status is 1; --client asks none.",
		Example: "  segno version\n  segno version --client\n  segno version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", output, "", "json", "yaml"); err != nil {
				return err
			}
			versions := kubectlversion.Version{ClientVersion: new(version.API()), KustomizeVersion: kustomizeVersion()}
			var unreachable error
			if !clientOnly {
				versions.ServerVersion, unreachable = c.serverVersion()
			}
			if output != "" {
				if err := writeAs(streams.Out, output, versions); err != nil {
					return err
				}
				return unreachable
			}
			fmt.Fprintf(streams.Out, "segno %s (%s, %s)\n", version.Version, versions.ClientVersion.GoVersion, versions.ClientVersion.Platform)
			fmt.Fprintf(streams.Out, "Client Version: %s\nKustomize Version: %s\n", versions.ClientVersion.GitVersion, versions.KustomizeVersion)
			if versions.ServerVersion != nil {
				fmt.Fprintf(streams.Out, "Server Version: %s\n", versions.ServerVersion.GitVersion)
			}
			return unreachable
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "Only this program's version; no cluster is asked")
	cmd.Flags().StringVarP(&output, "output", "o", "", "Output format: json or yaml")
	completeChoices(cmd, "output", "json", "yaml")
	return cmd
}

// serverVersion asks the cluster, which must be there.
func (c *client) serverVersion() (*apiversion.Info, error) {
	discovery, err := c.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	discovery.Invalidate() // what an earlier command was told may be out of date
	return discovery.ServerVersion()
}

// kustomizeVersion is that of the module in this program.
func kustomizeVersion() string {
	if found, ok := kubectlversion.GetKustomizeModVersion(); ok {
		return found
	}
	return "unknown" // a test's program, which has no list of its modules
}
