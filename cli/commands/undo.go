package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/events/undo"
	"segno/proto"
)

func newUndo(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var force bool
	t := taking{client: c, streams: streams, question: "undo", title: "Undo"}
	cmd := &cobra.Command{
		Use: "undo SEQ…", Short: "Take changes back: what transactions did, by their sequences",
		Long: "Take back what a transaction did, after showing the plan: fields get their old values, what was deleted is made again,\n" +
			"what was made is deleted. Several are undone newest first, as one. An undo is a transaction, too: undo that to redo.\n\n" +
			"A field that somebody changed again since is left alone, and listed; --force takes its old value all the same. What a\n" +
			"controller or a node did is not undone, but the person's change that led to it; \"segno history\" has the sequences.",
		Example: `  segno undo 1042
  segno undo 1042 1050 --dry-run
  segno undo 1042 --force --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seqs, err := sequences(args)
			if err != nil {
				return err
			}
			t.asked = func(consent history.Consent) any {
				return history.UndoRequest{Seqs: seqs, Force: force, Consent: consent}
			}
			return t.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "Take old values also where a field was changed again since")
	t.addFlags(cmd)
	return cmd
}

func sequences(args []string) (out []proto.Seq, err error) {
	if len(args) == 0 {
		return nil, errors.New("which transactions? Name them by their sequences: segno undo 1042; segno history OBJECT and segno events have them")
	}
	for _, arg := range args {
		seq, err := proto.ParseSeq(arg)
		if err != nil || seq == 0 {
			return nil, fmt.Errorf("%q is no sequence: they are whole numbers from 1 on, in the first column of segno history and segno events", arg)
		}
		out = append(out, seq)
	}
	return out, nil
}

func newRestore(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var prune bool
	t := taking{client: c, streams: streams, question: "restore", title: "Restore"}
	cmd := &cobra.Command{
		Use: "restore NAMESPACE|OBJECT --at MOMENT", Short: "Bring a namespace or an object back to what it was",
		Long: "Bring a namespace, or one object, back to what it was at a moment, after showing the plan: what changed is set back, what was\n" +
			"deleted is made again (the namespace, too), and what was made since is listed, and deleted with --prune.\n\n" +
			"Only what people wrote is restored: controllers make the rest of it.",
		Example: `  segno restore team --at 10m
  segno restore deployment/web --at 1042 --dry-run
  segno restore configmap/app -n team --at "2026-11-23 10:00:00" --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.at == "" {
				return errors.New("which moment? Say it with --at: a sequence (1042), a duration ago (10m) or a time")
			}
			at := c.at
			c.at = "" // it is what the present is changed to
			object, err := c.restored(args)
			if err != nil {
				return err
			}
			t.asked = func(consent history.Consent) any {
				return history.RestoreRequest{Object: object, At: at, Prune: prune, Consent: consent}
			}
			t.settled = func(plan *undo.Plan) { at = plan.Restore.At.String() }
			return t.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&prune, "prune", false, "Delete what was made since")
	t.addFlags(cmd)
	return cmd
}

// restored reads what is to be restored: a name alone is a namespace's.
func (c *client) restored(args []string) (proto.Object, error) {
	if len(args) == 0 {
		return proto.Object{}, errors.New("restore what? Name a namespace, or an object as in deployment/web")
	}
	if len(args) == 1 && !strings.Contains(args[0], "/") {
		return proto.Object{Resource: "namespaces", Name: args[0]}, nil
	}
	key, err := c.object(args)
	return proto.ObjectOf(key), err
}

// taking is a command that takes something back.
type taking struct {
	client   *client
	streams  genericiooptions.IOStreams
	question string
	title    string
	asked    func(history.Consent) any
	settled  func(*undo.Plan) // called with the plan that was shown

	output      string
	dryRun, yes bool
}

func (t *taking) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.output, "output", "o", "table", "Output format of the plan: table, json or yaml")
	cmd.Flags().BoolVar(&t.dryRun, "dry-run", false, "Only show the plan")
	cmd.Flags().BoolVarP(&t.yes, "yes", "y", false, "Do not ask")
	completeChoices(cmd, "output", "table", "json", "yaml")
}

// run shows the plan, asks, and has exactly that plan carried out.
func (t *taking) run(ctx context.Context) error {
	if err := oneOf("output", t.output, "table", "json", "yaml"); err != nil {
		return err
	}
	if t.output != "table" && !t.dryRun && !t.yes {
		return fmt.Errorf("--output %s is for programs, which are not asked; say --dry-run or --yes", t.output)
	}
	plan, err := t.plan(ctx)
	if err != nil {
		return err
	}
	if t.dryRun || plan.Empty() || t.output == "table" {
		if err := t.show(plan); err != nil {
			return err
		}
	}
	switch {
	case t.dryRun || plan.Empty():
		return nil
	case plan.Refused != "":
		return errors.New("this cannot be carried out: " + plan.Refused)
	}
	if !t.yes {
		if err := agree(t.streams, "Do this?", "nothing was done"); err != nil {
			return err
		}
	}
	if t.settled != nil {
		t.settled(plan)
	}
	return t.carryOut(ctx, plan.Digest)
}

func (t *taking) plan(ctx context.Context) (*undo.Plan, error) {
	plan := &undo.Plan{}
	return plan, t.client.postJSON(ctx, t.question, t.asked(history.Consent{DryRun: true}), plan)
}

func (t *taking) carryOut(ctx context.Context, digest string) error {
	done := &undo.Plan{}
	err := t.client.postJSON(ctx, t.question, t.asked(history.Consent{Digest: digest}), done)
	if apierrors.IsConflict(err) {
		plan, planErr := t.plan(ctx)
		if planErr != nil || plan.Digest == digest {
			return err
		}
		if showErr := t.show(plan); showErr != nil {
			return showErr
		}
		return err // it tells whether a part was done
	}
	if err != nil {
		return err
	}
	if t.output != "table" {
		return t.show(done)
	}
	return writeDone(t.streams.Out, done)
}

func (t *taking) show(plan *undo.Plan) error {
	if t.output != "table" {
		return writeAs(t.streams.Out, t.output, plan)
	}
	return writePlan(t.streams.Out, t.title, plan)
}
