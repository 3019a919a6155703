package commands

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

func newArchive(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "archive", Short: "Show which epochs of the log were archived",
		Long: "With segno up --keep 90d, epochs of the log whose newest transaction is older than that are written to files, one each, and\n" +
			"their streams are dropped. Each file is an archive that segno open reads. Nothing is archived unless it is asked for.",
		Example: "  segno archive ls",
		RunE:    onlySubcommands,
	}
	var output string
	ls := &cobra.Command{
		Use: "ls", Short: "Show which epochs of the log were archived", Example: "  segno archive ls\n  segno archive ls -o yaml",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			return c.listArchives(cmd.Context(), output, streams.Out)
		},
	}
	ls.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(ls, "output", "table", "json", "yaml")
	cmd.AddCommand(ls)
	return cmd
}

func (c *client) listArchives(ctx context.Context, output string, out io.Writer) error {
	var list history.Archives
	if err := c.askJSON(ctx, "archives", nil, &list); err != nil {
		return err
	}
	if output != "table" {
		return writeAs(out, output, list)
	}
	switch {
	case list.Keep != "":
		fmt.Fprintf(out, "Epochs older than %s are archived in %s.\n", list.Keep, list.Folder)
	case len(list.Archives) > 0:
		fmt.Fprintf(out, "Nothing more is archived: the log is kept for ever (segno up --keep). From before, in %s:\n", list.Folder)
	default:
		fmt.Fprintln(out, "Nothing is archived: the log is kept for ever (segno up --keep).")
	}
	if len(list.Archives) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "FILE\tFIRST\tLAST\tSIZE\tSINCE\tUNTIL")
	for _, a := range list.Archives {
		if a.Problem != "" {
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", a.File, a.First, a.Last, resource.NewQuantity(a.Bytes, resource.BinarySI), clock(&a.Since), clock(&a.Until))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, a := range list.Archives {
		if a.Problem != "" {
			fmt.Fprintf(out, "Left alone, since it is none of this log: %s (%s)\n", a.File, a.Problem)
		}
	}
	return nil
}
