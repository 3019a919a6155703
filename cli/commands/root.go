package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/util/templates"

	"segno/cli/contexts"
)

// Execute runs one command line and answers the exit status.
func Execute(ctx context.Context, args []string) int {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	if err := contexts.CheckHome(); err != nil {
		fmt.Fprintln(streams.ErrOut, "error:", err)
		return 1
	}
	if os.Getenv("KUBECONFIG") == "" {
		// kubectl's own code, `config` included, then finds segno's contexts.
		if err := os.Setenv("KUBECONFIG", contexts.File()); err != nil {
			fmt.Fprintln(streams.ErrOut, "error:", err)
			return 1
		}
	}
	root := newRoot(streams, args)
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130
	}
	var ended exitError
	if errors.As(err, &ended) {
		return ended.code
	}
	fmt.Fprintln(streams.ErrOut, "error:", strings.TrimPrefix(err.Error(), "error: "))
	return 1
}

func newRoot(streams genericiooptions.IOStreams, args []string) *cobra.Command {
	c := newClient(streams)
	c.command = spoken(args[1:])
	warnings := rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true, Color: printers.AllowsColorOutput(streams.ErrOut)})
	rest.SetDefaultWarningHandler(warnings)
	root := &cobra.Command{
		Use:           "segno",
		Short:         "segno runs containers on a cluster that never forgets",
		Long:          "segno runs containers on a cluster that never forgets.\n\nIt speaks the Kubernetes API, and every change is an event in a log: any command that\nreads takes --at, and history, why and events tell what happened.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	c.addFlags(root.PersistentFlags())
	read := &manifests{}
	cmdutil.BehaviorOnFatal(read.fatal)
	shown := &screen{out: streams.Out}
	headers := &genericclioptions.CommandHeaderRoundTripper{}
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		headers.ParseCommandHeaders(cmd, args)
		shown.listen(cmd)
		return errors.Join(misspelled(cmd, args), c.choose(), c.checkMoment(cmd), read.listen(cmd))
	}
	c.headers = func(next http.RoundTripper) http.RoundTripper {
		return &genericclioptions.CommandHeaderRoundTripper{Delegate: next, Headers: headers.Headers}
	}
	f := cmdutil.NewFactory(cmdutil.NewMatchVersionFlags(c))
	own := ownGroups(c, f, streams, shown)
	groups := slices.Concat(own, kubectlGroups(c, f, streams))
	groups.Add(root)
	templates.ActsAsRootCommand(root, []string{"options"}, groups...)
	addOthers(root, c, f, streams)
	asUsual := root.FlagErrorFunc()
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return asUsual(cmd, tellValue(err)) })
	if err := completeFlags(root, f); err != nil {
		panic(err) // a flag of our own that does not exist
	}
	for _, cmd := range root.Commands() {
		if !own.Has(cmd) {
			speakOfSegno(cmd)
		}
	}
	return root
}

// misspelled says which subcommand may be meant, where kubectl's only say that
// there is none of that name.
func misspelled(cmd *cobra.Command, args []string) error {
	if !cmd.HasAvailableSubCommands() || len(args) == 0 || cmd.Annotations[takesName] != "" {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // letters, as cobra has it for first words
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q\n\nDid you mean this?\n\t%s", args[0], cmd.CommandPath(), strings.Join(near, "\n\t"))
}
