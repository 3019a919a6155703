package commands

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/util/templates"
)

// ownGroups are segno's own commands.
func ownGroups(c *client, streams genericiooptions.IOStreams) templates.CommandGroups {
	return templates.CommandGroups{
		{Message: "Clusters:", Commands: []*cobra.Command{
			newUp(streams), newStatus(c, streams), newDown(streams), newToken(c, streams), newJoin(streams),
		}},
		{Message: "The past:", Commands: []*cobra.Command{
			newHistory(c, streams), newWhy(c, streams), newEvents(c, streams), newVerify(c, streams),
		}},
	}
}
