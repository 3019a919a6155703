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
func ownGroups(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams, shown *screen) templates.CommandGroups {
	tables := streams
	tables.Out = shown
	token := newToken(c, streams)
	token.RunE = onlySubcommands
	history, blame, why, blast := newHistory(c, tables), newBlame(c, tables), newWhy(c, tables), newBlast(c, tables)
	history.ValidArgsFunction = utilcomp.ResourceTypeAndNameCompletionFunc(f)
	why.ValidArgsFunction = completeWhy(history.ValidArgsFunction)
	blame.ValidArgsFunction = history.ValidArgsFunction
	blast.ValidArgsFunction = history.ValidArgsFunction
	restore := newRestore(c, tables)
	restore.ValidArgsFunction = history.ValidArgsFunction
	return templates.CommandGroups{
		{Message: "Clusters:", Commands: []*cobra.Command{
			newUp(streams), newStatus(c, tables), newDown(streams), token, newJoin(streams), newNode(tables),
			newArchive(c, tables), newBackup(c, tables), newRestoreCluster(tables),
			newTestUpgrade(c, tables),
			newEpoch(c, tables),
		}},
		{Message: "The past:", Commands: []*cobra.Command{
			history, blame, why, blast, newEvents(c, tables), newAudit(c, tables), newVerify(c, tables), newCheckpoint(c, tables),
			newUndo(c, tables), restore,
			newBisect(c, tables), newReplay(c, tables),
			newWhatIf(c, f, tables), newFork(c, tables),
			newExport(c, tables), newOpen(tables),
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
