package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
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
	cmd.Flags().StringVarP(&output, "output", "o", "", "Output format: table or json")
	cmd.Flags().IntVar(&limit, "limit", 0, "Only the newest revisions, this many")
	return cmd
}

const timeFormat = "2006-01-02 15:04:05.000"

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

// factsOf joins the facts of a transaction.
func factsOf(all []history.Event) (facts, reasons string) {
	var names, whys []string
	for _, ev := range all {
		if len(names) == 0 || names[len(names)-1] != ev.Fact {
			names = append(names, ev.Fact)
		}
		if ev.Reason != "" && (len(whys) == 0 || whys[len(whys)-1] != ev.Reason) {
			whys = append(whys, ev.Reason)
		}
	}
	return strings.Join(names, ","), strings.Join(whys, ",")
}

func causeOf(t history.Transaction) string {
	switch {
	case t.Cause != 0:
		return t.Cause.String()
	case t.Request != "":
		return "request"
	default:
		return "-"
	}
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

func newWhy(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "why OBJECT", Short: "Show what led to an object being as it is",
		Long:    "Show the chain of causes as a tree, from the person's request, or the failure, down to what it did to the object.",
		Example: "  segno why pod/web-7d9c5-abcde\n  segno why deployment/web --at 1042",
		RunE: func(cmd *cobra.Command, args []string) error {
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
	cmd.Flags().StringVarP(&output, "output", "o", "", "Output format: tree or json")
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

func nameOf(o history.Object) string {
	if o.Namespace == "" {
		return o.Resource + "/" + o.Name
	}
	return o.Resource + "/" + o.Namespace + "/" + o.Name
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func newEvents(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var follow, everywhere bool
	var from, to, actor, verb, fact, kind, name, output string
	cmd := &cobra.Command{
		Use: "events", Short: "Read the event log, and follow it",
		Long: "Read the event log: one line for each transaction, with what it did to which object.\nKubernetes' own Event objects are notes here: segno get events.",
		Example: `  segno events -f
  segno events --from 1042 -n default --kind pods
  segno events --from 10m --actor user:admin -A -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := url.Values{"from": {from}, "to": {to}, "actor": {actor}, "verb": {verb}, "fact": {fact}, "name": {name}}
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
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return c.showEvents(ctx, params, output, streams.Out)
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
	flags.StringVarP(&output, "output", "o", "", "Output format: lines or json")
	return cmd
}

func (c *client) showEvents(ctx context.Context, params url.Values, output string, out io.Writer) error {
	err := c.askLines(ctx, "events", params, func(line []byte) error {
		if output == "json" {
			_, err := out.Write(line)
			return err
		}
		var t history.Transaction
		if err := json.Unmarshal(line, &t); err != nil {
			return fmt.Errorf("read a line of the log: %w", err)
		}
		for _, ev := range t.Events {
			fmt.Fprintf(out, "%-6d %s  %-22s %-26s %s", t.Seq, t.Time.Local().Format(timeFormat), t.Actor, ev.Fact, nameOf(ev.Object))
			if ev.Reason != "" {
				fmt.Fprintf(out, " (%s)", ev.Reason)
			}
			fmt.Fprintln(out)
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil // the person has seen enough
	}
	return err
}

func newVerify(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Prove that the log is whole and the state follows from it",
		Long:    "Check the hash chain of every log, fold its events again from nothing, and compare the result with the state.\nThe first thing that is wrong is named, and the exit status is 1.",
		Example: "  segno verify",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bar := &progressBar{out: streams.ErrOut}
			var wrong []string
			err := c.askLines(cmd.Context(), "verify", nil, func(line []byte) error {
				var v history.Verification
				if err := json.Unmarshal(line, &v); err != nil {
					return fmt.Errorf("read the progress: %w", err)
				}
				if v.Result == nil && v.Error == "" {
					bar.show("verifying "+v.Stream, uint64(v.Done), uint64(v.Total))
					return nil
				}
				bar.end()
				bar = &progressBar{out: streams.ErrOut}
				wrong = append(wrong, tellVerified(streams.Out, v)...)
				return nil
			})
			if err == nil && len(wrong) > 0 {
				err = fmt.Errorf("the cluster is not what its log says: %s", strings.Join(wrong, "; "))
			}
			return err
		},
	}
}

func tellVerified(out io.Writer, v history.Verification) (wrong []string) {
	if v.Result == nil {
		fmt.Fprintf(out, "%-7s  could not be verified: %s\n", v.Stream, v.Error)
		return []string{v.Stream + ": " + v.Error}
	}
	fmt.Fprintf(out, "%-7s  sequence %d, %d transactions in the chain, %d rows compared\n         chain %s\n         state %s\n",
		v.Stream, v.Result.Seq, v.Result.Events, v.Result.Rows, v.Result.Hash, v.Result.StateHash)
	if v.Result.Problem != "" {
		fmt.Fprintf(out, "         WRONG: %s\n", v.Result.Problem)
		wrong = append(wrong, v.Stream+": "+v.Result.Problem)
	}
	return wrong
}
