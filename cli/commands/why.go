package commands

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

func newWhy(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "why OBJECT", Short: "Show what led to an object being as it is",
		Long:    "Show the chain of causes as a tree, from the person's request, or the failure, down to what it did to the object.",
		Example: "  segno why pod/web-7d9c5-abcde\n  segno why deployment/web --at 1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "tree", "json"); err != nil {
				return err
			}
			key, err := c.object(args)
			if err != nil {
				return err
			}
			var why history.Why
			if err := c.askJSON(cmd.Context(), "why", paramsOf(key), &why); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(streams.Out, why)
			}
			for _, root := range why.Roots {
				writeWhy(streams.Out, root, "", "")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "tree", "Output format: tree or json")
	completeChoices(cmd, "output", "tree", "json")
	return cmd
}

// writeWhy prints a transaction and what followed from it.
func writeWhy(out io.Writer, node *history.Node, first, rest string) {
	var what []string
	for _, ev := range node.Events {
		what = append(what, fmt.Sprintf("%s %s", ev.Fact, nameOf(ev.Object)))
	}
	const most = 3
	if len(what) > most {
		what = append(what[:most], fmt.Sprintf("… and %d more", len(what)-most))
	}
	line := fmt.Sprintf("%d  %s  %s  %s", node.Seq, node.Time.Local().Format(timeFormat), node.Actor, strings.Join(what, ", "))
	if _, reason := factsOf(node.Events); reason != "" {
		line += " (" + reason + ")"
	}
	if node.Via != "" {
		line += "  [" + node.Via + "]"
	}
	if node.Lost {
		line += "  (its cause is no longer in the log)"
	}
	fmt.Fprintln(out, first+line)
	for i, child := range node.Children {
		if i == len(node.Children)-1 {
			writeWhy(out, child, rest+"└─ ", rest+"   ")
		} else {
			writeWhy(out, child, rest+"├─ ", rest+"│  ")
		}
	}
}
