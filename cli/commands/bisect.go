package commands

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/events/bisect"
	"segno/proto"
)

// expressions is what conditions are made of, for help texts; docs/reference/cli.md
// says it at length.
const expressions = `An EXPRESSION is CEL, over the cluster as it was and what happened:
  object("deployment/web"), object("deployment/shop/web"), object("pods", "shop", "web-1")
  objects("pods"), objects("pods", "shop")     with exists(), all(), filter(), map(), size()
  event.seq .time .actor .verb .fact .reason .cause .via, event.object.kind .resource .group .namespace .name
  before, after                                the object of the event, null where there was none
A comparison with what does not exist is false; == null asks whether it exists.`

func newBisect(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var when, from, to, output string
	var scan, stopped, full bool
	cmd := &cobra.Command{
		Use: "bisect --when EXPRESSION", Short: "Find the event at which something became true",
		Long: "Find the first transaction at which an expression became true: what it changed, who did it, and where that came from.\n" +
			"It says how it was found, and what it took for granted. Where nothing became true the exit status is 1.\n\n" + expressions,
		Example: `  segno bisect --when 'object("deployment/web").spec.replicas == 0'
  segno bisect --when 'object("deployment/web").status.availableReplicas >= 3' --stopped --from 1h
  segno bisect --when 'objects("pods", "shop").exists(p, p.status.phase == "Failed")' --from 10:00 --to 10:30
  segno bisect --when 'event.fact == "NodeSilent" && event.object.name == "n1"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			params, err := c.spanParams(from, to)
			if err != nil {
				return err
			}
			params.Set("when", when)
			if scan {
				params.Set("scan", "true")
			}
			if stopped {
				params.Set("stopped", "true")
			}
			namespace, _, err := c.ToRawKubeConfigLoader().Namespace()
			if err != nil {
				return err
			}
			params.Set("namespace", namespace)
			var found history.Bisection
			if err := c.askJSON(cmd.Context(), "bisect", params, &found); err != nil {
				return err
			}
			if output != "table" {
				if err := writeAs(streams.Out, output, found); err != nil {
					return err
				}
			}
			if found.Found == nil {
				return fmt.Errorf("%s\n%s", neverWas(found), howFound(found))
			}
			if output == "table" {
				writeBisection(streams.Out, found, full)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&when, "when", "", "What became true")
	flags.StringVar(&from, "from", "", "Begin at this sequence, time or duration ago; the beginning of the log by default")
	flags.StringVar(&to, "to", "", "End at this sequence, time or duration ago; now by default")
	flags.BoolVar(&stopped, "stopped", false, "Find where it stopped being true")
	flags.BoolVar(&scan, "scan", false, "Look at every transaction that may matter, never by halves as if it became true only once")
	flags.BoolVar(&full, "full", false, "Show every field that changed")
	flags.StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	_ = cmd.MarkFlagRequired("when") // it exists: it was added above
	return cmd
}

// spanParams are the ends of a span as the server is told them.
func (c *client) spanParams(from, to string) (url.Values, error) {
	now := c.now()
	begin, err := exactMoment(from, now, false)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	end, err := exactMoment(to, now, true)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	return url.Values{"from": {begin}, "to": {end}}, nil
}

// writeBisection tells what was found: the answer first, how it was found last.
func writeBisection(out io.Writer, b history.Bisection, full bool) {
	switch {
	case b.Found.Event != nil:
		fmt.Fprintf(out, "It was true first of an event of transaction %d.\n\n", b.Found.Seq)
	case b.Stopped:
		fmt.Fprintf(out, "It stopped being true at transaction %d.\n\n", b.Found.Seq)
	default:
		fmt.Fprintf(out, "It became true at transaction %d.\n\n", b.Found.Seq)
	}
	writeEventsHead(out)
	writeEvents(out, b.Found.Transaction)
	for _, o := range b.Found.Objects {
		writeDiff(out, o, fewFields(full))
	}
	fmt.Fprintln(out)
	if root := b.Found.Root; root != nil {
		fmt.Fprintln(out, "It goes back to", nodeLine(proto.Object{}, &history.Node{Transaction: *root}))
	} else if b.Found.Via != "" {
		fmt.Fprintf(out, "It was done by %s: %s\n", b.Found.Actor, b.Found.Via)
	}
	if b.Already {
		fmt.Fprintln(out, alreadyWas(b))
	}
	fmt.Fprintln(out, howFound(b))
}

// truths are what the condition was, and was not, in the words of the question.
func truths(b history.Bisection) (was, wasNot string) {
	if b.Stopped {
		return "not true", "true"
	}
	return "true", "not true"
}

func alreadyWas(b history.Bisection) string {
	if b.Stopped {
		return fmt.Sprintf("Before transaction %d it was not true yet; it became true at %d.", b.From, b.Ended)
	}
	return fmt.Sprintf("It had been true before transaction %d, too, until %d.", b.From, b.Ended)
}

// neverWas says why nothing was found.
func neverWas(b history.Bisection) string {
	switch {
	case b.Already && b.Ended == 0 && b.Stopped:
		return fmt.Sprintf("it was never true, and so it did not stop: neither before transaction %d, nor up to %d", b.From, b.To)
	case b.Already && b.Ended == 0:
		return fmt.Sprintf("it was true all the time: already before transaction %d, and up to %d", b.From, b.To)
	case b.Already && b.Stopped:
		return fmt.Sprintf("it became true at %d, and did not stop being so up to %d", b.Ended, b.To)
	case b.Already:
		return fmt.Sprintf("it was true already before transaction %d, until %d, and did not become so again up to %d", b.From, b.Ended, b.To)
	case b.Stopped:
		return fmt.Sprintf("it never stopped being true at transactions %d to %d", b.From, b.To)
	default:
		return fmt.Sprintf("it was never true at transactions %d to %d", b.From, b.To)
	}
}

func howFound(b history.Bisection) string {
	switch bisect.Method(b.Method) {
	case bisect.ByRevisions:
		return fmt.Sprintf("Looked at every change of the objects that it names among transactions %d to %d (%s): exact.", b.From, b.To, looks(b.Looked))
	case bisect.ByHalves:
		was, wasNot := truths(b)
		return fmt.Sprintf("Searched transactions %d to %d by halves (%s): it was %s before them and %s after them, and is taken to have turned once; --scan looks at every one.",
			b.From, b.To, looks(b.Looked), wasNot, was)
	default:
		return fmt.Sprintf("Looked at every one of transactions %d to %d that may matter (%s): exact.", b.From, b.To, looks(b.Looked))
	}
}

func looks(n int) string {
	if n == 1 {
		return "1 look"
	}
	return fmt.Sprintf("%d looks", n)
}
