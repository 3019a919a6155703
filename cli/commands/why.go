package commands

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/events/explain"
	"segno/proto"
)

func newWhy(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "why OBJECT [deleted|pending|restarted|not-ready]", Short: "Show what led to an object being as it is",
		Long: "Show the chain of causes as a tree, from the person's request, or the failure, down to what it did to the object.\n" +
			"With a question, the tree leads to just what makes it so, and words say what that is:\n" +
			"  deleted     the newest deletion, be it under way, over, or long ago\n" +
			"  pending     what keeps a pod, or the pods of a deployment, from starting\n" +
			"  restarted   each restart of a container, and how it ended before\n" +
			"  not-ready   what keeps a pod, a node, or the pods of a deployment from serving\n" +
			"Where it is not so, the answer tells when it last was.",
		Example: `  segno why pod/web-7d9c5-abcde
  segno why pod/web-7d9c5-abcde deleted
  segno why deployment/web pending
  segno why node/n1 not-ready --at 10m
  segno why deployment/web --at 1042`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", output, "table", "tree", "json", "yaml"); err != nil {
				return err
			}
			args, question, err := questionOf(args)
			if err != nil {
				return err
			}
			key, err := c.object(args)
			if err != nil {
				return err
			}
			params := paramsOf(key)
			params.Set("question", question)
			var why history.Why
			if err := c.askJSON(cmd.Context(), "why", params, &why); err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return writeAs(streams.Out, output, why)
			}
			if cmd.Flags().Changed("namespace") {
				question += " -n " + key.Namespace
			}
			writeAnswer(streams.Out, why, strings.Join(append(args, question), " "))
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table (a tree), json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// questionOf takes the question off the end of the arguments: what comes behind
// an object's name.
func questionOf(args []string) (object []string, question string, err error) {
	named := 2
	if len(args) > 0 && strings.Contains(args[0], "/") {
		named = 1
	}
	if len(args) != named+1 {
		return args, "", nil
	}
	question = args[named]
	if !slices.Contains(explain.Questions, question) {
		return nil, "", fmt.Errorf("question %q: must be one of %s", question, strings.Join(explain.Questions, ", "))
	}
	return args[:named], question, nil
}

// completeWhy completes objects, and behind one the questions.
func completeWhy(objects cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 2 || (len(args) == 1 && strings.Contains(args[0], "/")) {
			return explain.Questions, cobra.ShellCompDirectiveNoFileComp
		}
		return objects(cmd, args, begun)
	}
}

// writeAnswer prints the answer to a question, where one was asked, and the tree.
func writeAnswer(out io.Writer, why history.Why, asked string) {
	if a := why.Answer; a != nil {
		for _, line := range a.Says {
			fmt.Fprintln(out, line)
		}
		for _, hint := range a.Hints {
			fmt.Fprintf(out, "%s: segno why %s --at %d\n", hint.Says, asked, hint.At)
		}
		if len(why.Roots) > 0 {
			fmt.Fprintln(out)
		}
	}
	tellEarlier(out, why.Object, why.Earlier)
	for _, root := range why.Roots {
		writeWhy(out, why.Object, root, "", "")
	}
}

// writeWhy prints a transaction and what followed from it; what it did to the
// object comes before the rest.
func writeWhy(out io.Writer, about proto.Object, node *history.Node, first, rest string) {
	fmt.Fprintln(out, first+nodeLine(about, node))
	below := "   "
	if len(node.Children) > 0 || node.LeftOut > 0 {
		below = "│  "
	}
	for _, text := range node.Says {
		fmt.Fprintln(out, rest+below+"· "+text)
	}
	for i, child := range node.Children {
		if i == len(node.Children)-1 && node.LeftOut == 0 {
			writeWhy(out, about, child, rest+"└─ ", rest+"   ")
		} else {
			writeWhy(out, about, child, rest+"├─ ", rest+"│  ")
		}
	}
	if node.LeftOut > 0 {
		fmt.Fprintf(out, "%s└─ … %d more below\n", rest, node.LeftOut)
	}
}

// nodeLine is a transaction on one line.
func nodeLine(about proto.Object, node *history.Node) string {
	events := slices.Clone(node.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(rank(a, about), rank(b, about)) })
	var what []string
	for _, ev := range events {
		what = append(what, fmt.Sprintf("%s %s", ev.Fact, nameOf(ev.Object)))
	}
	const most = 3
	if len(what) > most {
		what = append(what[:most], fmt.Sprintf("… and %d more", len(what)-most))
	}
	line := fmt.Sprintf("%d  %s  %s  %s", node.Seq, node.Time.Local().Format(timeFormat), node.Actor, strings.Join(what, ", "))
	if _, reason := factsOf(events); reason != "" {
		line += " (" + reason + ")"
	}
	if node.Via != "" {
		line += "  [" + cut(node.Via, viaWidth) + "]"
	}
	if node.TakesBack != 0 {
		line += fmt.Sprintf("  (it takes back %d)", node.TakesBack)
	}
	if node.Because != nil {
		line += "  (found out: " + node.Because.Says + ")"
	}
	if node.Lost {
		line += "  (its cause is no longer in the log)"
	}
	return line
}

func rank(ev history.Event, about proto.Object) int {
	if ev.Object == about {
		return 0
	}
	return 1
}
