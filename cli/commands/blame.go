package commands

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history/blame"
)

func newBlame(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "blame OBJECT", Short: "Show who last set each field of an object",
		Long: "Show an object's YAML, and beside each line the transaction that last set it: its sequence, when that was, who did it, and how.\n" +
			"A line above fields that were set by several transactions has nothing beside it.",
		Example: "  segno blame deployment/web\n  segno blame deployment/web --at 10m\n  segno blame pod/web-7d9c5-abcde -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			key, err := c.object(args)
			if err != nil {
				return err
			}
			var found blame.Blame
			if err := c.askJSON(cmd.Context(), "blame", paramsOf(key), &found); err != nil {
				return err
			}
			if output != "table" {
				return writeAs(streams.Out, output, found)
			}
			return writeBlame(streams.Out, &found)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// writeBlame prints the YAML with columns before it, as wide as they need be.
func writeBlame(out io.Writer, found *blame.Blame) error {
	lines, err := found.Lines(func(path string) bool { return concealed(found.Object, path) })
	if err != nil {
		return err
	}
	rows := [][]string{{"SEQ", "TIME", "ACTOR", "MANAGER"}}
	for _, line := range lines {
		rows = append(rows, blameColumns(line.Origin))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for i, row := range rows {
		text := "OBJECT " + nameOf(found.Object)
		if i > 0 {
			text = lines[i-1].Text
		}
		for j, column := range row {
			fmt.Fprint(out, column, strings.Repeat(" ", widths[j]-utf8.RuneCountInString(column)+2))
		}
		if _, err := fmt.Fprintln(out, "│ "+text); err != nil {
			return err
		}
	}
	return nil
}

// blameColumns is the origin of a line; blank when it has several.
func blameColumns(o *blame.Origin) []string {
	const most = 32
	if o == nil {
		return []string{"", "", "", ""}
	}
	seq := o.Seq.String()
	if o.Earlier {
		seq += " or before"
	}
	manager := o.Manager
	if manager == "" {
		manager = o.Via
	}
	at := ""
	if !o.Time.IsZero() {
		at = o.Time.Local().Format(time.DateTime)
	}
	return []string{seq, at, string(o.Actor), cut(manager, most)}
}
