package commands

import (
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/autoscale"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// newAutoscale is kubectl's autoscale, which says so plainly when the cluster
// does not serve what it makes.
func newAutoscale(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := autoscale.NewCmdAutoscale(f, streams)
	create := cmd.Run
	cmd.Run = func(cmd *cobra.Command, args []string) {
		if cmdutil.GetFlagString(cmd, "dry-run") != "client" {
			cmdutil.CheckErr(c.autoscales())
		}
		create(cmd, args)
	}
	return cmd
}

func (c *client) autoscales() error {
	mapper, err := c.ToRESTMapper()
	if err != nil {
		return err
	}
	_, err = mapper.RESTMapping(schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"})
	if meta.IsNoMatchError(err) {
		return errors.New("this cluster does not serve HorizontalPodAutoscaler yet, which autoscale makes; scale by hand with: segno scale")
	}
	return err
}
