package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/diff"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"segno/cli/api/history/diffs"
)

// diffFlags are those of a comparison of two moments.
type diffFlags struct {
	scopeFlags
	from, to, section, output string
	stat                      bool
}

// onlyBetween are the flags that mean nothing without two moments.
var onlyBetween = []string{"to", "section", "output", "stat", "all-namespaces", "all", "kind"}

// newDiff is kubectl's diff, of files and what is; with --from, of two moments.
func newDiff(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := diff.NewCmdDiff(f, streams)
	files, flags := cmd.Run, &diffFlags{}
	cmd.Use = "diff (-f FILENAME | --from MOMENT [--to MOMENT] [OBJECT | -n NAMESPACE | -A])"
	cmd.Short = "Diff the live version against a would-be applied version, or two moments"
	cmd.Long += "\n\nWith --from: show what differs between two moments in an object, a namespace or the whole cluster, as unified diffs of YAML, " +
		"the spec (with the metadata) and the status apart. Objects come in the order of their last changes. " +
		"What is not known of the time between is said first. The exit status is then 0 whether anything differs or not."
	cmd.Example += `

  # What has changed in a namespace during the last ten minutes
  segno diff --from 10m -n shop

  # What differs in the whole cluster between two moments, counted
  segno diff --from 1042 --to "2026-11-23 10:00:00" -A --stat

  # What was asked of a deployment since then, without its status
  segno diff --from 10:00 deployment/web --section spec`
	cmd.Run = nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if flags.from == "" {
			for _, name := range onlyBetween {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s is about two moments: say the first one with --from", name)
				}
			}
			if !cmd.Flags().Changed("filename") && !cmd.Flags().Changed("kustomize") {
				return errors.New("diff of what? Files and what is: -f FILE or -k FOLDER; two moments: --from MOMENT [--to MOMENT], as in: segno diff --from 10m")
			}
			files(cmd, args)
			return nil
		}
		return c.diffBetween(cmd, args, flags, streams)
	}
	flags.add(cmd)
	return cmd
}

func (f *diffFlags) add(cmd *cobra.Command) {
	f.scopeFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "Compare with this moment: a sequence, time or duration ago")
	flags.StringVar(&f.to, "to", "", "Compare as of this moment; the default is now")
	f.addForm(cmd)
}

// addForm adds the flags that say what is shown, and how.
func (f *diffFlags) addForm(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.section, "section", "all", "Of two moments: only the spec, only the status, or all")
	flags.BoolVar(&f.stat, "stat", false, "Of two moments: only count, for each object and in total")
	flags.StringVarP(&f.output, "output", "o", "table", "Of two moments: table, json or yaml; a document for the span, each object, and the counts")
	completeChoices(cmd, "section", "all", "spec", "status")
	completeChoices(cmd, "output", "table", "json", "yaml")
}

func (c *client) diffBetween(cmd *cobra.Command, args []string, f *diffFlags, streams genericiooptions.IOStreams) error {
	for _, name := range []string{"filename", "kustomize"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s compares files with what is, --from two moments: say only one of them", name)
		}
	}
	if err := errors.Join(oneOf("output", f.output, "table", "json", "yaml"), oneOf("section", f.section, "all", "spec", "status")); err != nil {
		return err
	}
	now := c.now()
	from, err := exactMoment(f.from, now, true)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	to, err := exactMoment(f.to, now, true)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	params, _, err := c.scope(args, f.scopeFlags)
	if err != nil {
		return err
	}
	maps.Copy(params, url.Values{"from": {from}, "to": {to}, "section": {f.section}})
	if f.stat {
		params.Set("stat", "true")
	}
	shown := &screen{out: streams.Out} // kubectl's own diff is another program's
	shown.listen(cmd)
	return c.showDiff(cmd.Context(), params, f, shown)
}

// showDiff prints what differs as it comes.
func (c *client) showDiff(ctx context.Context, params url.Values, f *diffFlags, out io.Writer) error {
	whole, fork := false, ""
	err := c.askLines(ctx, "diff", params, func(line []byte) error {
		var l diffs.Line
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("read a difference: %w", err)
		}
		whole = l.Stat != nil
		if f.output != "table" {
			return writeLine(out, f.output, line)
		}
		if l.Span != nil {
			fork = l.Span.Fork
		}
		return writeSpanLine(out, l, f.stat, fork)
	})
	if err == nil && !whole {
		return errors.New("the answer ended before all was compared")
	}
	return err
}

// writeSpanLine prints a line of the answer. What is no part of a unified diff
// begins with #. fork is what the cluster is compared with, when it is.
func writeSpanLine(out io.Writer, l diffs.Line, counts bool, fork string) (err error) {
	switch {
	case l.Span != nil && fork != "":
		_, err = fmt.Fprintf(out, "# from the cluster, now at %s, to its fork %s, now at %s\n", momentText(l.Span.From), fork, momentText(l.Span.To))
	case l.Span != nil:
		_, err = fmt.Fprintf(out, "# from %s to %s\n", momentText(l.Span.From), momentText(l.Span.To))
		for _, gap := range l.Span.Gaps {
			_, err = fmt.Fprintln(out, "# gap: "+gapText(gap))
		}
	case l.Object != nil && counts:
		_, err = fmt.Fprintf(out, "%-48s %-9s %-16s %s\n", nameOf(l.Object.Object), changeText(l.Object.Change, fork), partText("spec", l.Object.Spec), partText("status", l.Object.Status))
	case l.Object != nil:
		_, err = io.WriteString(out, objectText(l.Object, fork))
	case l.Stat != nil:
		_, err = fmt.Fprintln(out, statText(*l.Stat, fork))
	}
	return err
}

func momentText(m diffs.Moment) string {
	return fmt.Sprintf("%s (%s)", m.Seq, m.Time.Local().Format(timeFormat))
}

func gapText(gap diffs.Gap) string {
	from, to := momentText(gap.From), momentText(gap.To)
	switch {
	case gap.Sort == diffs.Unrecorded:
		return "the log begins at " + to + ": what was before is not recorded"
	case gap.Sort == diffs.Stopped:
		return "between " + from + " and " + to + " the control plane began anew: nothing was recorded in between"
	case gap.To.Seq == 0:
		return fmt.Sprintf("node %s was not heard from %s on: the statuses of its pods are not known since", gap.Node, from)
	default:
		return fmt.Sprintf("node %s was not heard from %s to %s: the statuses of its pods are not known then", gap.Node, from, to)
	}
}

func partText(name string, part *diffs.Part) string {
	if part == nil {
		return ""
	}
	return fmt.Sprintf("%s +%d -%d", name, part.Added, part.Removed)
}

// changeText says what became of an object; between a cluster and its fork, where
// it is.
func changeText(change diffs.Change, fork string) string {
	if fork == "" {
		return string(change)
	}
	switch change {
	case diffs.Created:
		return "fork only"
	case diffs.Deleted:
		return "live only"
	case diffs.Replaced:
		return "another"
	case diffs.Changed, diffs.Passed:
	}
	return "differs"
}

func objectText(o *diffs.Object, fork string) string {
	text := ""
	switch o.Change {
	case diffs.Passed:
		return "# " + nameOf(o.Object) + " came and went in between\n"
	case diffs.Replaced:
		text = "# " + nameOf(o.Object) + " was deleted, and another one of its name created\n"
		if fork != "" {
			text = "# " + nameOf(o.Object) + " is another one of its name in the fork\n"
		}
	case diffs.Created, diffs.Deleted, diffs.Changed:
	}
	for _, part := range []*diffs.Part{o.Spec, o.Status} {
		if part != nil {
			text += part.Unified
		}
	}
	return text
}

func statText(s diffs.Stat, fork string) string {
	text := "# nothing differs"
	switch {
	case s.Objects > 0 && fork != "":
		text = fmt.Sprintf("# objects that differ: %d (%d in the fork only, %d not in the fork, %d another of the name, %d changed); lines: +%d -%d",
			s.Objects, s.Created, s.Deleted, s.Replaced, s.Changed, s.Added, s.Removed)
	case s.Objects > 0:
		text = fmt.Sprintf("# objects that differ: %d (%d created, %d deleted, %d replaced, %d changed); lines: +%d -%d",
			s.Objects, s.Created, s.Deleted, s.Replaced, s.Changed, s.Added, s.Removed)
	}
	if s.Passed > 0 {
		text += fmt.Sprintf("; %d came and went in between", s.Passed)
	}
	return text
}
