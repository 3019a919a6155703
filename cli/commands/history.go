package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/proto"
)

// historyFlags say whose history is meant, which part of it, and how it is shown.
type historyFlags struct {
	scopeFlags
	since, until, actor, reason, field string
	follow, full                       bool
	limit                              int
	output                             string
}

func newHistory(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	f := &historyFlags{}
	cmd := &cobra.Command{
		Use: "history [OBJECT | -n NAMESPACE | -A]", Short: "Show who changed objects, when, and what",
		Long: "Show the revisions of an object, oldest first: who changed it, when, and the fields that matter most.\n" +
			"Reports of a component that follow each other are one line; --full has every revision and every field.\n" +
			"Objects that no longer exist have a history too.\n\n" +
			"Without OBJECT: the revisions of all objects of the namespace, or with -A of all there are.",
		Example: `  segno history deployment/web
  segno history deployment/web --full
  segno history deployment/web --field .spec.replicas
  segno history -n shop --since 10m --actor user:ada
  segno history -A --kind configmaps --since "2026-11-23 10:00" --until 11:00
  segno history pod/web-7d9c5-abcde -f
  segno history deployment/web --at 10m -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", f.output, "table", "json", "yaml"); err != nil {
				return err
			}
			if f.limit < 0 {
				return fmt.Errorf("--limit %d: must not be negative", f.limit)
			}
			params, err := f.params(c.now())
			if err != nil {
				return err
			}
			whose, one, err := c.scope(args, f.scopeFlags)
			if err != nil {
				return err
			}
			maps.Copy(params, whose)
			if one == nil || f.follow {
				return c.showRevisions(cmd.Context(), params, f, streams.Out, streams.ErrOut)
			}
			list, err := c.revisions(cmd.Context(), *one, params, f.limit, func([]history.Revision) bool { return false })
			if err != nil {
				return err
			}
			if len(list.Revisions) == 0 {
				f.tellNone(streams.ErrOut)
			}
			switch {
			case f.output != "table":
				return writeAs(streams.Out, f.output, list)
			case len(list.Revisions) == 0:
				tellMore(streams.Out, list)
				return nil
			case f.full:
				return writeFullHistory(streams.Out, conceal(list))
			default:
				return writeHistory(streams.Out, conceal(list), c.now())
			}
		},
	}
	f.add(cmd)
	return cmd
}

func (f *historyFlags) add(cmd *cobra.Command) {
	f.scopeFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "Begin at this sequence, time or duration ago")
	flags.StringVar(&f.until, "until", "", "End at this sequence, time or duration ago")
	flags.StringVar(&f.actor, "actor", "", "Only what this actor did: user:admin, node:n1, system:scheduler")
	flags.StringVar(&f.reason, "reason", "", "Only what happened for this reason, or made the status give it (a container that waits or ended, a condition): ImageChanged, CrashLoopBackOff, OOMKilled …")
	flags.StringVar(&f.field, "field", "", "Only where this field, or one below it, changed: .spec.replicas")
	flags.BoolVarP(&f.follow, "follow", "f", false, "Go on with what happens from now on")
	flags.StringVarP(&f.output, "output", "o", "table", "Output format: table, json or yaml; of many objects, or with -f, a document for each revision")
	flags.BoolVar(&f.full, "full", false, "Every revision with its cause, and every field that changed")
	flags.IntVar(&f.limit, "limit", pageRevisions, "Only the newest revisions, this many; 0 is all")
	completeChoices(cmd, "output", "table", "json", "yaml")
}

// tellNone says that the answer is empty: a table without a row may look like a
// failure.
func (f *historyFlags) tellNone(notes io.Writer) {
	if f.field != "" {
		fmt.Fprintf(notes, "nothing matches: no revision that was looked at changed %s; paths begin at the top of the object, as in .spec.replicas, and elements of lists go by their names, as in .spec.template.spec.containers[web].image\n", f.field)
		return
	}
	fmt.Fprintln(notes, "nothing matches: no revision of what was asked for, in that time and by those filters")
}

// params is the question without whose history it is about.
func (f *historyFlags) params(now time.Time) (url.Values, error) {
	since, err := exactMoment(f.since, now, false)
	if err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	until, err := exactMoment(f.until, now, true)
	if err != nil {
		return nil, fmt.Errorf("--until: %w", err)
	}
	if f.follow && f.until != "" {
		return nil, errors.New("--follow goes on with what happens from now on: --until does not go with it")
	}
	out := url.Values{"since": {since}, "until": {until}, "actor": {f.actor}, "reason": {f.reason}, "field": {f.field}, "limit": {fmt.Sprint(f.limit)}}
	if f.follow {
		out.Set("follow", "true")
	}
	return out, nil
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
	tellEarlier(out, list.Object, list.Earlier)
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
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Time.Local().Format(timeFormat), r.Actor, fact, reason, causeOf(r.Transaction), cut(r.Via, viaWidth))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range list.Revisions {
		if len(r.Changes) == 0 || r.Created {
			continue
		}
		fmt.Fprintf(out, "\n%d:\n", r.Seq)
		writeChanges(out, list.Object, r)
	}
	return nil
}

// writeChanges prints a line a changed field.
func writeChanges(out io.Writer, o proto.Object, r history.Revision) {
	for _, change := range r.Changes {
		if concealed(o, change.Path) {
			fmt.Fprintf(out, "  .%s: %s\n", change.Path, plain(change.New))
			continue
		}
		fmt.Fprintf(out, "  .%s: %s → %s\n", change.Path, shortened(change.Old), shortened(change.New))
	}
}

// shortened keeps a value on its line.
func shortened(value json.RawMessage) string {
	if len(value) == 0 {
		return "(none)"
	}
	return cut(string(value), 100)
}

// tellEarlier says when an object changed last before the log begins.
func tellEarlier(out io.Writer, object proto.Object, earlier *history.Earlier) {
	if earlier != nil {
		fmt.Fprintf(out, "(%s was there when this log begins; its last change before that is transaction %s of %s)\n",
			nameOf(object), earlier.Seq, earlier.Time.Local().Format(timeFormat))
	}
}
