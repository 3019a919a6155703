package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
)

// eventForms are how the log is written.
var eventForms = []string{"lines", "json", "jsonl", "cloudevents"}

func newEvents(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var follow, everywhere bool
	var from, to, actor, verb, fact, kind, name, output string
	cmd := &cobra.Command{
		Use: "events", Short: "Read the event log, and follow it",
		Long: "Read the event log: one line for each transaction, with what it did to which object.\nKubernetes' own Event objects are notes here: segno get events.",
		Example: `  segno events -f
  segno events --from 1042 -n default --kind pods
  segno events --from 10m --actor user:admin -A -o json
  segno events --from 2026-11-01T00:00:00Z -o cloudevents > events.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, eventForms...); err != nil {
				return err
			}
			var err error
			if from, err = exactMoment(from, c.now(), false); err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			if to, err = exactMoment(to, c.now(), true); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			params := url.Values{"from": {from}, "to": {to}, "actor": {actor}, "verb": {verb}, "fact": {fact}, "name": {name}}
			if output == "jsonl" || output == "cloudevents" {
				params.Set("format", output)
			}
			if follow {
				params.Set("follow", "true")
			}
			if kind != "" {
				key, err := c.object([]string{kind, "any"})
				if err != nil {
					return err
				}
				params.Set("resource", key.Resource.Name)
				params.Set("group", key.Group)
			}
			if *c.Namespace != "" && !everywhere {
				params.Set("namespace", *c.Namespace)
			}
			return c.showEvents(cmd.Context(), params, output, streams.Out)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "Go on with what happens from now on (or from --from)")
	flags.StringVar(&from, "from", "", "Begin at this sequence, time or duration ago")
	flags.StringVar(&to, "to", "", "End at this sequence, time or duration ago")
	flags.StringVar(&actor, "actor", "", "Only what this actor did: user:admin, node:n1, system:scheduler")
	flags.StringVar(&verb, "verb", "", "Only this verb: create, update, patch, delete, bind")
	flags.StringVar(&fact, "fact", "", "Only this kind of event: PodBound, DeploymentScaled …")
	flags.StringVar(&kind, "kind", "", "Only objects of this kind")
	flags.StringVar(&name, "name", "", "Only objects of this name")
	flags.BoolVarP(&everywhere, "all-namespaces", "A", false, "All namespaces, whatever -n says; the default without -n")
	flags.StringVarP(&output, "output", "o", "lines", "Output format: lines; json, a transaction a line; to export, jsonl, the same with the objects, or cloudevents, a CloudEvent a line. Neither has the content of Secrets")
	completeChoices(cmd, "output", eventForms...)
	return cmd
}

// eventColumns is a line of the log; the time is as wide as timeFormat.
const eventColumns = "%-6s %-23s  %-22s %-26s %s"

func (c *client) showEvents(ctx context.Context, params url.Values, output string, out io.Writer) error {
	head := sync.OnceFunc(func() { writeEventsHead(out) })
	opened := func() {
		if output == "lines" && params.Has("follow") {
			head() // before anything happens: one sees that it waits
		}
	}
	_, err := c.watchLines(ctx, "events", params, opened, func(line []byte) error {
		if output != "lines" {
			_, err := out.Write(line)
			return err
		}
		var t history.Transaction
		if err := json.Unmarshal(line, &t); err != nil {
			return fmt.Errorf("read a line of the log: %w", err)
		}
		head()
		writeEvents(out, t)
		return nil
	})
	return err
}

func writeEventsHead(out io.Writer) {
	fmt.Fprintf(out, eventColumns+"\n", "SEQ", "TIME", "ACTOR", "FACT", "OBJECT")
}

// writeEvents prints a line an event.
func writeEvents(out io.Writer, t history.Transaction) {
	for _, ev := range t.Events {
		fmt.Fprintf(out, eventColumns, t.Seq.String(), t.Time.Local().Format(timeFormat), t.Actor, ev.Fact, nameOf(ev.Object))
		if reason := reasonOf(ev); reason != "" {
			fmt.Fprintf(out, " (%s)", reason)
		}
		fmt.Fprintln(out)
	}
}
