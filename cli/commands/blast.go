package commands

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/proto"
)

func newBlast(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	var depth, limit int
	cmd := &cobra.Command{
		Use: "blast SEQ|OBJECT", Short: "Show everything that followed from a change",
		Long: "Show what followed from one change: a transaction by its sequence, or the newest change that a person made to what is\n" +
			"wanted of an object, its deletion included. All of it is counted, by kind and by what happened; what is nearest is shown.\n" +
			"With --at, only what had followed by then.",
		Example: `  segno blast 1042
  segno blast deployment/web
  segno blast deployment/web --depth 2
  segno blast 1042 --limit 0 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "tree", "json", "yaml"); err != nil {
				return err
			}
			if depth < 0 || limit < 0 {
				return fmt.Errorf("--depth %d --limit %d: must not be negative", depth, limit)
			}
			params, err := c.changeOf(args)
			if err != nil {
				return err
			}
			params.Set("depth", strconv.Itoa(depth))
			params.Set("limit", strconv.Itoa(limit))
			var blast history.Blast
			if err := c.askJSON(cmd.Context(), "blast", params, &blast); err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return writeAs(streams.Out, output, blast)
			}
			return writeBlast(streams.Out, blast)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table (counts and a tree), json or yaml")
	cmd.Flags().IntVar(&depth, "depth", 8, "Show what is at most this many steps from the change; 0 is any")
	cmd.Flags().IntVar(&limit, "limit", 100, "Show this many transactions, the nearest; 0 is as many as one answer may have")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// changeOf reads a sequence, or an object.
func (c *client) changeOf(args []string) (url.Values, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("which change? Name its sequence, as segno history shows it, or an object: deployment/web")
	}
	if _, err := strconv.ParseFloat(args[0], 64); len(args) == 1 && err == nil {
		seq, err := proto.ParseSeq(args[0])
		if err != nil || seq == 0 {
			return nil, fmt.Errorf("sequence %q: must be a whole number, 1 or above", args[0])
		}
		return url.Values{"seq": {seq.String()}}, nil
	}
	key, err := c.object(args)
	if err != nil {
		return nil, err
	}
	return paramsOf(key), nil
}

// writeBlast prints the totals, the counts and the tree.
func writeBlast(out io.Writer, blast history.Blast) error {
	about := proto.Object{}
	if blast.Object != nil {
		about = *blast.Object
		fmt.Fprintf(out, "The newest change that a person made to %s is %d.\n", nameOf(about), blast.Seq)
	}
	if blast.Transactions == 0 {
		fmt.Fprintf(out, "Nothing followed from %d.\n\n", blast.Seq)
		writeWhy(out, about, blast.Tree, "", "")
		return nil
	}
	least := ""
	if blast.AtLeast {
		least = "at least "
	}
	fmt.Fprintf(out, "From %d followed %s%s with %s, in %s", blast.Seq, least, counted(blast.Transactions, "transaction"), counted(blast.Events, "event"), counted(blast.Depth, "step"))
	if took, err := time.ParseDuration(blast.Took); err == nil {
		fmt.Fprintf(out, ", the last of them, %d, after %s", blast.Newest, spanOf(took))
	}
	fmt.Fprint(out, ".\n\n")
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "COUNT\tKIND\tFACT")
	for _, count := range blast.Counts {
		fmt.Fprintf(table, "%d\t%s\t%s\n", count.Count, proto.Resource{Group: count.Group, Name: count.Resource}, count.Fact)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	writeWhy(out, about, blast.Tree, "", "")
	return nil
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// spanOf is a span of time for people.
func spanOf(d time.Duration) string {
	if d < 2*time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return duration.HumanDuration(d)
}
