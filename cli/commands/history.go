package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

func newHistory(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	var limit int
	cmd := &cobra.Command{
		Use: "history OBJECT", Short: "Show who changed an object, when, and what",
		Long: "Show every revision of an object, oldest first: sequence, time, actor, fact and the changed fields.\nObjects that no longer exist have a history too.",
		Example: `  segno history deployment/web
  segno history pod web-7d9c5-abcde -o json
  segno history deployment/web --at 10m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "json"); err != nil {
				return err
			}
			key, err := c.object(args)
			if err != nil {
				return err
			}
			params := paramsOf(key)
			params.Set("limit", fmt.Sprint(limit))
			var list history.List
			if err := c.askJSON(cmd.Context(), "history", params, &list); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(streams.Out, list)
			}
			return writeHistory(streams.Out, list)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table or json")
	cmd.Flags().IntVar(&limit, "limit", 0, "Only the newest revisions, this many")
	completeChoices(cmd, "output", "table", "json")
	return cmd
}

// writeHistory prints a row a revision, and a line a changed field below it.
func writeHistory(out io.Writer, list history.List) error {
	if list.More {
		fmt.Fprintln(out, "(older revisions are left out; see --limit)")
	}
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "SEQ\tTIME\tACTOR\tFACT\tREASON\tCAUSE\tVIA")
	for _, r := range list.Revisions {
		fact, reason := factsOf(r.Events)
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Time.Local().Format(timeFormat), r.Actor, fact, reason, causeOf(r.Transaction), r.Via)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range list.Revisions {
		if len(r.Changes) == 0 || r.Created {
			continue
		}
		fmt.Fprintf(out, "\n%d:\n", r.Seq)
		for _, change := range r.Changes {
			fmt.Fprintf(out, "  %s: %s -> %s\n", change.Path, shortened(change.Old), shortened(change.New))
		}
	}
	return nil
}

// shortened keeps a value on its line.
func shortened(value json.RawMessage) string {
	const most = 100
	text := string(value)
	if text == "" {
		return "(none)"
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
