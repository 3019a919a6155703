package commands

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	utilcomp "k8s.io/kubectl/pkg/util/completion"
	"k8s.io/kubectl/pkg/util/templates"
)

// ownGroups are segno's own commands.
func ownGroups(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) templates.CommandGroups {
	token := newToken(c, streams)
	token.RunE = onlySubcommands
	history, blame, why, blast := newHistory(c, streams), newBlame(c, streams), newWhy(c, streams), newBlast(c, streams)
	history.ValidArgsFunction = utilcomp.ResourceTypeAndNameCompletionFunc(f)
	why.ValidArgsFunction = completeWhy(history.ValidArgsFunction)
	blame.ValidArgsFunction = history.ValidArgsFunction
	blast.ValidArgsFunction = history.ValidArgsFunction
	restore := newRestore(c, streams)
	restore.ValidArgsFunction = history.ValidArgsFunction
	return templates.CommandGroups{
		{Message: "Clusters:", Commands: []*cobra.Command{
			newUp(streams), newStatus(c, streams), newDown(streams), token, newJoin(streams),
			newArchive(c, streams), newBackup(c, streams), newRestoreCluster(streams),
			newTestUpgrade(c, streams),
			newEpoch(c, streams),
		}},
		{Message: "The past:", Commands: []*cobra.Command{
			history, blame, why, blast, newEvents(c, streams), newAudit(c, streams), newVerify(c, streams), newCheckpoint(c, streams),
			newUndo(c, streams), restore,
			newBisect(c, streams), newReplay(c, streams),
			newWhatIf(c, f, streams), newFork(c, streams),
			newExport(c, streams), newOpen(streams),
		}},
	}
}

// onlySubcommands is what a command does that has nothing but subcommands: help,
// unless one is asked for that there is not.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q\nSee '%s --help' for those there are", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return cmd.Help()
}
