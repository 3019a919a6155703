package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// whatIf is the command line of a what-if.
type whatIf struct {
	files  resource.FilenameOptions
	nodes  []string
	span   time.Duration
	output string
	full   bool
}

func newWhatIf(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	w := &whatIf{}
	cmd := &cobra.Command{
		Use: "whatif", Short: "Play through what would happen, without touching the cluster",
		Long: "Take the cluster as it is, or was (--at), make a change, and play through what would happen: the real control loops\n" +
			"run on simulated nodes of the same capacity, labels and taints, in virtual time. Then all of it is thrown away.\n\n" +
			"Programs run as they did then: an image that could not be pulled cannot be pulled, what crashed crashes again after\n" +
			"the same time; all others are taken to start and stay up.",
		Example: `  # What would a new version do?
  segno whatif -f new.yaml

  # What happens when a machine dies, and within which time?
  segno whatif --remove-node n2 --for 10m

  # Would it have helped an hour ago?
  segno whatif --at 1h -f more-replicas.yaml -o yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", w.output, "table", "json", "yaml"); err != nil {
				return err
			}
			asked, sources, err := w.supposition(f)
			if err != nil {
				return err
			}
			var answer history.WhatIf
			if err := c.postJSON(cmd.Context(), "whatif", asked, &answer); err != nil {
				return inFile(err, sources)
			}
			if w.output != "table" {
				return writeAs(streams.Out, w.output, answer)
			}
			if len(w.nodes) > 0 && w.span < nodeGrace {
				fmt.Fprintf(streams.ErrOut, "(that a node is silent is noticed after %s: go on for longer with --for)\n", nodeGrace)
			}
			return writeWhatIf(streams.Out, answer, w.full)
		},
	}
	flags := cmd.Flags()
	cmdutil.AddFilenameOptionFlags(cmd, &w.files, "to apply at that moment")
	flags.StringSliceVar(&w.nodes, "remove-node", nil, "A node that vanishes at that moment, as when its power is cut (may be repeated)")
	flags.DurationVar(&w.span, "for", 10*time.Minute, "How long to go on from there")
	flags.BoolVar(&w.full, "full", false, "Every transaction, those in which a component only reports included")
	flags.StringVarP(&w.output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// supposition reads the files, and answers where each object is from.
func (w *whatIf) supposition(f cmdutil.Factory) (asked history.Supposition, sources []string, err error) {
	asked = history.Supposition{RemoveNodes: w.nodes, For: w.span.String()}
	if len(w.files.Filenames) == 0 && w.files.Kustomize == "" {
		return asked, nil, nil
	}
	namespace, enforce, err := f.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return asked, nil, err
	}
	infos, err := f.NewBuilder().Unstructured().NamespaceParam(namespace).DefaultNamespace().
		FilenameParam(enforce, &w.files).Flatten().Do().Infos()
	if err != nil {
		return asked, nil, err
	}
	for _, info := range infos {
		if obj, ok := info.Object.(*unstructured.Unstructured); ok && info.Namespaced() && obj.GetNamespace() == "" {
			obj.SetNamespace(info.Namespace)
		}
		data, err := runtime.Encode(unstructured.UnstructuredJSONScheme, info.Object)
		if err != nil {
			return asked, nil, fmt.Errorf("read %s: %w", info.Source, err)
		}
		asked.Objects = append(asked.Objects, json.RawMessage(data))
		sources = append(sources, fmt.Sprintf("%s: %s %q", info.Source, info.Object.GetObjectKind().GroupVersionKind().Kind, info.Name))
	}
	return asked, sources, nil
}

// numberedObject is how the API names one of the objects of a question.
var numberedObject = regexp.MustCompile(`^objects\[(\d+)\]: `)

// inFile names the file of the object that a refusal is about.
func inFile(err error, sources []string) error {
	found := numberedObject.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	if i, numErr := strconv.Atoi(found[1]); numErr == nil && i < len(sources) {
		return fmt.Errorf("%s: %s", sources[i], strings.TrimPrefix(err.Error(), found[0]))
	}
	return err
}

// nodeGrace is how long a node may usually be silent before anybody notices.
const nodeGrace = 40 * time.Second

// writeWhatIf prints what would happen, in order, and then what became of it.
func writeWhatIf(out io.Writer, answer history.WhatIf, full bool) error {
	fmt.Fprintf(out, "From %d (%s), for %s:\n\n", answer.At, answer.Time.Local().Format(timeFormat), answer.For)
	lines := foldSteps(answer.Steps, full)
	if len(lines) == 0 {
		fmt.Fprintln(out, "Nothing would happen.")
	} else {
		table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
		fmt.Fprintln(table, "AFTER\tACTOR\tFACT\tREASON\tOBJECT")
		for _, l := range lines {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", l.after, l.actor, l.facts(), l.reason, l.names())
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if answer.More {
		fmt.Fprintln(out, "(more happens; this is where the answer ends)")
	}
	fmt.Fprintln(out)
	return writeOutcome(out, answer)
}

// stepLine is what one actor does at one moment to any number of objects.
type stepLine struct {
	after, actor, fact, reason string
	objects                    []string
}

// foldSteps makes lines of steps. What a component only reports is left out,
// unless all is wanted.
func foldSteps(steps []history.Supposed, full bool) (lines []*stepLine) {
	from := 0 // the first line of the moment
	for _, step := range steps {
		after := "+" + step.After
		if len(lines) > 0 && lines[len(lines)-1].after != after {
			from = len(lines)
		}
		for _, ev := range eachObject(step.Events) {
			if !full && !step.Actor.Person() && reportsOnly(ev) {
				continue
			}
			l := stepLine{after: after, actor: string(step.Actor), fact: ev.Fact, reason: reasonOf(ev)}
			at := slices.IndexFunc(lines[min(from, len(lines)):], func(o *stepLine) bool {
				return o.after == l.after && o.actor == l.actor && o.fact == l.fact && o.reason == l.reason
			})
			if at < 0 {
				lines = append(lines, &l)
				at = len(lines) - 1 - from
			}
			lines[from+at].objects = append(lines[from+at].objects, nameOf(ev.Object))
		}
	}
	return lines
}

// reportsOnly tells whether an event says nothing that has a name.
func reportsOnly(ev history.Event) bool {
	return strings.HasSuffix(ev.Fact, "StatusChanged") || ev.Fact == string(events.ContainerWaiting) && ev.Detail == ""
}

// eachObject is the event that tells most of each object of a transaction.
func eachObject(all []history.Event) (out []history.Event) {
	of := map[proto.Object][]history.Event{}
	var order []proto.Object
	for _, ev := range all {
		if of[ev.Object] == nil {
			order = append(order, ev.Object)
		}
		of[ev.Object] = append(of[ev.Object], ev)
	}
	for _, object := range order {
		fact := mainFact(of[object])
		i := slices.IndexFunc(of[object], func(ev history.Event) bool { return ev.Fact == fact })
		out = append(out, of[object][max(i, 0)])
	}
	return out
}

func (l *stepLine) facts() string {
	if len(l.objects) == 1 {
		return l.fact
	}
	return fmt.Sprintf("%s ×%d", l.fact, len(l.objects))
}

func (l *stepLine) names() string {
	const most = 3
	if len(l.objects) > most {
		return fmt.Sprintf("%s, +%d more", strings.Join(l.objects[:most-1], ", "), len(l.objects)-most+1)
	}
	return strings.Join(l.objects, ", ")
}

// writeOutcome prints what is different at the end.
func writeOutcome(out io.Writer, answer history.WhatIf) error {
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	if len(answer.Workloads) > 0 {
		fmt.Fprintln(table, "WORKLOAD\tREADY BEFORE\tREADY AFTER")
	}
	for _, w := range answer.Workloads {
		fmt.Fprintf(table, "%s\t%s\t%s\n", nameOf(w.Object), readyText(w.Before), readyText(w.After))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(answer.Nodes) > 0 {
		fmt.Fprintln(table, "\nNODE\tPODS BEFORE\tPODS AFTER\tREADY")
	}
	for _, n := range answer.Nodes {
		ready := n.ReadyAfter
		if n.ReadyBefore != n.ReadyAfter {
			ready = orNone(n.ReadyBefore) + " → " + orNone(n.ReadyAfter)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", n.Name, podsText(n.PodsBefore, n.TerminatingBefore), podsText(n.PodsAfter, n.TerminatingAfter), ready)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if answer.Held > 0 {
		fmt.Fprintf(out, "\nHeld back: no node of the cluster is ready, and while that is so no pod is evicted for it; past due: %s.\n", counted(answer.Held, "pod"))
	}
	for _, p := range answer.Pending {
		also := ""
		if p.Before {
			also = " (before, too)"
		}
		fmt.Fprintf(out, "\nPending: %s%s: %s\n", nameOf(p.Object), also, orElse(p.Why, "not scheduled yet"))
	}
	var made []string
	for _, t := range answer.Objects {
		made = append(made, fmt.Sprintf("%s +%d −%d", t.Resource, t.Created, t.Deleted))
	}
	if len(made) > 0 {
		fmt.Fprintf(out, "\nObjects: %s\n", strings.Join(made, ", "))
	}
	for _, warning := range answer.Warnings {
		fmt.Fprintf(out, "Warning: %s\n", warning)
	}
	return nil
}

func podsText(pods, terminating int) string {
	if terminating == 0 {
		return strconv.Itoa(pods)
	}
	return fmt.Sprintf("%d (+%d terminating)", pods, terminating)
}

func readyText(r *history.Ready) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Ready, r.Wanted)
}

func orNone(text string) string { return orElse(text, "none") }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
