package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

func newHistory(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	var limit int
	var full bool
	cmd := &cobra.Command{
		Use: "history OBJECT", Short: "Show who changed an object, when, and what",
		Long: "Show the revisions of an object, oldest first: who changed it, when, and the fields that matter most.\n" +
			"Reports of a component that follow each other are one line; --full has every revision and every field.\n" +
			"Objects that no longer exist have a history too.",
		Example: `  segno history deployment/web
  segno history deployment/web --full
  segno history pod web-7d9c5-abcde -o yaml
  segno history deployment/web --at 10m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			key, err := c.object(args)
			if err != nil {
				return err
			}
			if limit < 0 {
				return fmt.Errorf("--limit %d: must not be negative", limit)
			}
			list, err := c.revisions(cmd.Context(), key, limit, func([]history.Revision) bool { return false })
			if err != nil {
				return err
			}
			switch {
			case output != "table":
				return writeAs(streams.Out, output, list)
			case full:
				return writeFullHistory(streams.Out, conceal(list))
			default:
				return writeHistory(streams.Out, conceal(list), time.Now())
			}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	cmd.Flags().BoolVar(&full, "full", false, "Every revision with its cause, and every field that changed")
	cmd.Flags().IntVar(&limit, "limit", pageRevisions, "Only the newest revisions, this many; 0 is all")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// writeHistory prints what people look for first, a line each.
func writeHistory(out io.Writer, list history.List, now time.Time) error {
	tellMore(out, list)
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "SEQ\tTIME\tACTOR\tFACT\tREASON\tCHANGED")
	for _, r := range rowsOf(list.Revisions) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.seqs(), when(r.Time, now), r.Actor, r.fact(), strings.Join(r.reasons, ","), r.change())
	}
	return table.Flush()
}

func tellMore(out io.Writer, list history.List) {
	if list.More {
		fmt.Fprintln(out, "(older revisions are left out; see --limit)")
	}
}

// writeFullHistory prints a row a revision, and a line a changed field below it.
func writeFullHistory(out io.Writer, list history.List) error {
	tellMore(out, list)
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
			if concealed(list.Object, change.Path) {
				fmt.Fprintf(out, "  .%s: %s\n", change.Path, plain(change.New))
				continue
			}
			fmt.Fprintf(out, "  .%s: %s → %s\n", change.Path, shortened(change.Old), shortened(change.New))
		}
	}
	return nil
}

// shortened keeps a value on its line.
func shortened(value json.RawMessage) string {
	if len(value) == 0 {
		return "(none)"
	}
	return cut(string(value), 100)
}
