package commands

import (
	"errors"
	"fmt"
	"maps"
	"net/url"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

// newForkDiff compares a fork with where it began.
func newForkDiff(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	flags := &diffFlags{}
	cmd := &cobra.Command{
		Use: "diff NAME [OBJECT]", Short: "Show what is different in a fork since it began", Args: cobra.RangeArgs(1, 3),
		Long:    "Show what is different in a fork from where it began, object by object, as segno diff does for two moments of a cluster.",
		Example: "  segno fork diff try\n  segno fork diff try --stat\n  segno fork diff try deployment/web --section spec",
		RunE: func(cmd *cobra.Command, args []string) error {
			err := errors.Join(oneOf("output", flags.output, "table", "json", "yaml"), oneOf("section", flags.section, "all", "spec", "status"))
			if err != nil {
				return err
			}
			var list history.Forks
			if err := c.askJSON(cmd.Context(), "forks", url.Values{}, &list); err != nil {
				return err
			}
			return c.diffFork(cmd, list, args, flags, streams)
		},
	}
	flags.scopeFlags.add(cmd)
	flags.addForm(cmd)
	return cmd
}

func (c *client) diffFork(cmd *cobra.Command, list history.Forks, args []string, flags *diffFlags, streams genericiooptions.IOStreams) error {
	for _, f := range list.Forks {
		if f.Name != args[0] {
			continue
		}
		c.under = f.Path
		if len(args) == 1 && *c.Namespace == "" {
			flags.everywhere = true // a fork is looked at as a whole
		}
		params, _, err := c.scope(args[1:], flags.scopeFlags)
		if err != nil {
			return err
		}
		maps.Copy(params, url.Values{"from": {f.At.String()}, "to": {f.Seq.String()}, "section": {flags.section}})
		if flags.stat {
			params.Set("stat", "true")
		}
		return c.showDiff(cmd.Context(), params, flags, streams.Out)
	}
	return fmt.Errorf("there is no fork %q; those there are: segno fork ls", args[0])
}
