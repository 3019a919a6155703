package commands

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	utilcomp "k8s.io/kubectl/pkg/util/completion"
	"k8s.io/kubectl/pkg/util/templates"
)

// ownGroups are segno's own commands.
func ownGroups(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) templates.CommandGroups {
	history, why := newHistory(c, streams), newWhy(c, streams)
	history.ValidArgsFunction = utilcomp.ResourceTypeAndNameCompletionFunc(f)
	why.ValidArgsFunction = utilcomp.ResourceTypeAndNameCompletionFunc(f)
	return templates.CommandGroups{
		{Message: "Clusters:", Commands: []*cobra.Command{
			newUp(streams), newStatus(c, streams), newDown(streams), newToken(c, streams), newJoin(streams),
		}},
		{Message: "The past:", Commands: []*cobra.Command{
			history, why, newEvents(c, streams), newVerify(c, streams),
		}},
	}
}
