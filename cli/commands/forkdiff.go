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

// newForkDiff compares a fork with where it began, or with the cluster as it is.
func newForkDiff(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	flags, live := &diffFlags{}, false
	cmd := &cobra.Command{
		Use: "diff NAME [OBJECT]", Short: "Show what is different in a fork since it began", Args: cobra.RangeArgs(1, 3),
		Long: "Show what is different in a fork from where it began, object by object, as segno diff does for two moments of a cluster;\n" +
			"with --live, from the cluster as it is now: - is what the cluster has, + what the fork has.",
		Example: "  segno fork diff try\n  segno fork diff try --stat\n  segno fork diff try deployment/web --section spec\n  segno fork diff try --live --section spec",
		RunE: func(cmd *cobra.Command, args []string) error {
			err := errors.Join(oneOf("output", flags.output, "table", "json", "yaml"), oneOf("section", flags.section, "all", "spec", "status"))
			if err != nil {
				return err
			}
			if live {
				return c.diffLive(cmd, args, flags, streams)
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
	cmd.Flags().BoolVar(&live, "live", false, "Compare with the cluster as it is now, not as it was when the fork began")
	return cmd
}

// forkScope is what of a fork is compared: all of it, unless something is named.
func (c *client) forkScope(args []string, flags *diffFlags) (url.Values, error) {
	if len(args) == 0 && *c.Namespace == "" {
		flags.everywhere = true
	}
	params, _, err := c.scope(args, flags.scopeFlags)
	if err != nil {
		return nil, err
	}
	params.Set("section", flags.section)
	if flags.stat {
		params.Set("stat", "true")
	}
	return params, nil
}

// diffLive compares a fork with the cluster.
func (c *client) diffLive(cmd *cobra.Command, args []string, flags *diffFlags, streams genericiooptions.IOStreams) error {
	params, err := c.forkScope(args[1:], flags)
	if err != nil {
		return err
	}
	params.Set("fork", args[0])
	return c.showDiff(cmd.Context(), params, flags, streams.Out)
}

func (c *client) diffFork(cmd *cobra.Command, list history.Forks, args []string, flags *diffFlags, streams genericiooptions.IOStreams) error {
	for _, f := range list.Forks {
		if f.Name != args[0] {
			continue
		}
		c.under = f.Path
		params, err := c.forkScope(args[1:], flags)
		if err != nil {
			return err
		}
		maps.Copy(params, url.Values{"from": {f.At.String()}, "to": {f.Seq.String()}})
		return c.showDiff(cmd.Context(), params, flags, streams.Out)
	}
	return fmt.Errorf("there is no fork %q; those there are: segno fork ls", args[0])
}
