package commands

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

func newEpoch(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "epoch", Short: "Show the epochs of the log, and begin a new one",
		Long: "The log is cut into epochs, one stream of files each. All but the newest are sealed: nothing can be appended to them any more.\n" +
			"History, --at and all else are the same over all of them.",
		Example: `  segno epoch ls
  segno epoch roll`,
		RunE: onlySubcommands,
	}
	cmd.AddCommand(
		newEpochCommand(streams, &cobra.Command{
			Use: "ls", Short: "Show the epochs of the log", Example: "  segno epoch ls -o yaml",
		}, func(ctx context.Context) (list history.Epochs, err error) {
			return list, c.askJSON(ctx, "epochs", nil, &list)
		}),
		newEpochCommand(streams, &cobra.Command{
			Use: "roll", Short: "Seal the newest epoch and begin the next",
			Long:    "Seal the newest epoch and begin the next, while the cluster runs. Writes wait for a moment; none is refused.\nIt happens by itself when an epoch has become large or old: segno up --epoch-size, --epoch-age.",
			Example: "  segno epoch roll",
		}, func(ctx context.Context) (list history.Epochs, err error) {
			return list, c.postJSON(ctx, "epochs", struct{}{}, &list)
		}),
	)
	return cmd
}

// newEpochCommand makes a command that shows the epochs.
func newEpochCommand(streams genericiooptions.IOStreams, cmd *cobra.Command, ask func(context.Context) (history.Epochs, error)) *cobra.Command {
	var output string
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
			return err
		}
		list, err := ask(cmd.Context())
		if err != nil {
			return err
		}
		if output != "table" {
			return writeAs(streams.Out, output, list)
		}
		return writeEpochs(streams.Out, list)
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

func writeEpochs(out io.Writer, list history.Epochs) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "EPOCH\tSTREAM\tFIRST\tLAST\tSIZE\tBEGAN\tENDED")
	for _, e := range list.Epochs {
		last, ended := "-", "(it is written)"
		if e.Last >= e.First {
			last = e.Last.String()
		}
		if e.Sealed {
			ended = clock(e.Ended)
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s\t%s\n", e.Epoch, e.Stream, e.First, last,
			resource.NewQuantity(int64(e.Bytes), resource.BinarySI), clock(e.Began), ended)
	}
	return w.Flush()
}

// clock is a time in the person's own zone.
func clock(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}
