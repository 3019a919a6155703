package commands

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/cli/internal/replace"
)

func newCheckpoint(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var file string
	var overwrite bool
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Sign what the log is, for somebody outside to keep",
		Long: `Print a signed note that states the sequence of the log, the hash of its newest transaction, and that of the state.
Whoever keeps it can later prove with the public key alone that it is genuine, and, with the log, that its history up to
then was not written again: segno verify --checkpoint. The cluster keeps one by itself every hour, and when it stops.`,
		Example: `  segno checkpoint -o monday.note
  segno checkpoint key > segno.pub
  segno verify --checkpoint monday.note --key segno.pub
  segno checkpoint --at 2026-11-23T10:00:00Z`,
		Args: onlyOwn,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				if err := vacant(file, overwrite); err != nil {
					return err
				}
			}
			body, err := c.ask(cmd.Context(), "checkpoint", nil)
			if err != nil {
				return err
			}
			defer body.Close()
			note, err := io.ReadAll(body)
			if err != nil {
				return fmt.Errorf("read the checkpoint: %w", err)
			}
			if file == "" {
				_, err = streams.Out.Write(note)
				return err
			}
			return replace.File(file, note)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "Write it into this file")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "Replace the file if it is there")
	cmd.AddCommand(newCheckpointKey(c, streams), newCheckpointList(c, streams))
	return cmd
}

// onlyOwn refuses what is no subcommand.
func onlyOwn(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return onlySubcommands(cmd, args)
	}
	return nil
}

func newCheckpointKey(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print the public key that proves the cluster's checkpoints",
		Long:    "Print the public key that proves the cluster's checkpoints. It is also in the data directory: pki/checkpoint.pub.",
		Example: "  segno checkpoint key > segno.pub", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list history.Checkpoints
			if err := c.askJSON(cmd.Context(), "checkpoints", url.Values{"limit": {"1"}}, &list); err != nil {
				return err
			}
			_, err := fmt.Fprintln(streams.Out, list.Key)
			return err
		},
	}
}

func newCheckpointList(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Short: "Show the checkpoints that the cluster has kept",
		Example: "  segno checkpoint ls\n  segno checkpoint ls --limit 1 -o json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			var list history.Checkpoints
			if err := c.askJSON(cmd.Context(), "checkpoints", url.Values{"limit": {strconv.Itoa(limit)}}, &list); err != nil {
				return err
			}
			if output != "table" {
				return writeAs(streams.Out, output, list)
			}
			return writeCheckpoints(streams.Out, list.Checkpoints)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml; those two have the signed notes")
	cmd.Flags().IntVar(&limit, "limit", 0, "Only the newest so many; 0 is all")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

func writeCheckpoints(out io.Writer, list []history.Checkpoint) error {
	if len(list) == 0 {
		fmt.Fprintln(out, "No checkpoints have been kept yet; a fresh one is made by: segno checkpoint")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "SEQ\tTIME\tCHAIN\tSTATE")
	for _, is := range list {
		if is.Wrong != "" {
			fmt.Fprintf(w, "-\t-\tWRONG: %s\t\n", is.Wrong)
			continue
		}
		fmt.Fprintf(w, "%d\t%s\t%.16s…\t%.16s…\n", is.Seq, clock(&is.Time), is.Hash, is.State)
	}
	return w.Flush()
}
