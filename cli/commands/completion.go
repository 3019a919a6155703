package commands

import (
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/completion"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	utilcomp "k8s.io/kubectl/pkg/util/completion"
)

// newCompletion is kubectl's completion, told in our words.
func newCompletion(streams genericiooptions.IOStreams) *cobra.Command {
	cmd := completion.NewCmdCompletion(streams.Out, "")
	cmd.Short = "Print a script for the shell (bash, zsh, fish or powershell) that completes command lines"
	cmd.Long = "Print a script that completes segno's command lines: commands, flags, kinds, and the names of objects, namespaces and contexts, which the cluster is asked for."
	cmd.Example = `  # Now, in this bash (which needs the package bash-completion)
  source <(segno completion bash)

  # In every new bash
  segno completion bash > ~/.local/share/bash-completion/completions/segno

  # In every new zsh, when ~/.zfunc is in its fpath
  segno completion zsh > ~/.zfunc/_segno

  # In every new fish
  segno completion fish > ~/.config/fish/completions/segno.fish`
	return cmd
}

type completeFunc = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// completeFlags says what may follow the flags that every command has.
func completeFlags(root *cobra.Command, f cmdutil.Factory) error {
	names := func(list func(prefix string) []string) completeFunc {
		return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return list(toComplete), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return errors.Join(
		root.RegisterFlagCompletionFunc("namespace", names(func(prefix string) []string {
			return utilcomp.CompGetResource(f, "namespace", prefix)
		})),
		root.RegisterFlagCompletionFunc("context", names(utilcomp.ListContextsInConfig)),
		root.RegisterFlagCompletionFunc("cluster", names(utilcomp.ListClustersInConfig)),
		root.RegisterFlagCompletionFunc("user", names(utilcomp.ListUsersInConfig)),
	)
}

// completeChoices completes a flag that takes one of a few words.
func completeChoices(cmd *cobra.Command, flag string, choices ...string) {
	// An error is a flag that the command does not have, which its test shows.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}
