package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/replay"
	"segno/events/condition"
	"segno/events/kinds"
	"segno/proto"
)

// replayFlags are what a replay is asked for.
type replayFlags struct {
	from, to, file, stop, output string
	speed                        float64
	step, verify, quiet, full    bool
}

func newReplay(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use: "replay", Short: "Go through a span of the past again, transaction by transaction",
		Long: "Fold a span of the log again, and show each transaction: what it changed, what it came of and what followed from it.\n" +
			"The span and the state before it are downloaded and folded here, in memory: nothing can reach the cluster.\n" +
			"--verify compares the state after every transaction with the one that was recorded then; for that the values\n" +
			"of Secrets come along, which are left out otherwise. Where they differ the exit status is 1. With --quiet it is\n" +
			"several times as quick: nothing of the past is kept to be looked at.\n\n" + expressions,
		Example: `  segno replay --from 10m
  segno replay --from 1042 --to 1100 --speed 10
  segno replay --from 10:00 --to 10:30 --break 'object("deployment/web").spec.replicas == 0'
  segno replay --from 10m --step
  segno replay --verify --quiet
  segno replay --file incident.segno`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return c.replay(ctx, f, streams)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "Begin at this sequence, time or duration ago; the beginning of the log by default")
	flags.StringVar(&f.to, "to", "", "End at this sequence, time or duration ago; now by default")
	flags.StringVar(&f.file, "file", "", "Replay this file, as \"segno export\" writes them, rather than the cluster's log")
	flags.Float64Var(&f.speed, "speed", 0, "As it happened, this many times as fast; 0 is at once")
	flags.BoolVar(&f.step, "step", false, "Step forwards and backwards, in the terminal")
	flags.StringVar(&f.stop, "break", "", "Stop at the first transaction for which this EXPRESSION is true")
	flags.BoolVar(&f.verify, "verify", false, "Compare the state after every transaction with the recorded one")
	flags.BoolVar(&f.full, "full", false, "Show every field that changed")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "Only say what it came to")
	flags.StringVarP(&f.output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

func (f *replayFlags) check() error {
	if err := oneOf("output", f.output, "table", "json", "yaml"); err != nil {
		return err
	}
	switch {
	case f.speed < 0 || math.IsNaN(f.speed) || math.IsInf(f.speed, 0):
		return fmt.Errorf("--speed %v: must be a number, 0 (at once) or more", f.speed)
	case f.step && (f.speed > 0 || f.quiet || f.output != "table"):
		return errors.New("--step is for a person at a terminal: neither --speed, --quiet nor -o goes with it")
	case f.quiet && f.speed > 0:
		return errors.New("--quiet shows no transactions that --speed could pace: only one of them")
	case f.file != "" && (f.from != "" || f.to != ""):
		return errors.New("a file is replayed as a whole: neither --from nor --to goes with --file")
	default:
		return nil
	}
}

func (c *client) replay(ctx context.Context, f *replayFlags, streams genericiooptions.IOStreams) error {
	if f.step && !isTerminal(streams) {
		return errors.New("--step needs a terminal to show things in and take keys from; without one leave it out: " +
			"segno replay prints every transaction, --break 'EXPRESSION' stops at one, and -o json is for programs")
	}
	when, err := c.breakpoint(f)
	if err != nil {
		return err
	}
	began := time.Now()
	named := when != nil && when.Depends().Secrets()
	secrets := f.verify || named || when != nil && when.Depends().Sides // before and after may be those of a Secret
	if f.quiet && when == nil {
		return c.prove(ctx, f, streams)
	}
	span, err := c.openSpan(ctx, f, secrets, streams.ErrOut)
	if err != nil {
		return err
	}
	defer span.Close() // it is in memory, and nothing of it is wanted any more
	if err := f.readable(span.Taken(), named); err != nil {
		return err
	}
	if f.step {
		return step(ctx, span, when, streams)
	}
	p := &player{span: span, flags: f, out: streams.Out, folded: time.Since(began)}
	return p.play(ctx, when)
}

// breakpoint reads the expression to stop at; nil is none.
func (c *client) breakpoint(f *replayFlags) (*condition.Condition, error) {
	if f.stop == "" {
		return nil, nil
	}
	namespace, _, err := c.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	when, err := condition.Compile(condition.Config{Table: kinds.Table(), Namespace: namespace}, f.stop)
	if err != nil {
		return nil, fmt.Errorf("--break: %w", err)
	}
	return when, nil
}

// readable refuses a file without the values that the question is about.
func (f *replayFlags) readable(taken []proto.ObjectKey, named bool) error {
	if len(taken) == 0 {
		return nil
	}
	what := cmp.Or(f.file, "the file") + " (" + taken[0].String()
	if more := len(taken) - 1; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	what += ")"
	switch {
	case f.verify:
		return fmt.Errorf("--verify: the values of Secrets were left out of %s, so the states cannot be compared; segno export --secrets keeps them, and segno replay without --verify shows what there is", what)
	case named:
		return fmt.Errorf("--break: %s looks at Secrets, whose values were left out of %s; segno export --secrets keeps them", f.stop, what)
	default:
		return nil
	}
}

// prove says what the span comes to, of which nothing else is wanted: it is folded
// without its past.
func (c *client) prove(ctx context.Context, f *replayFlags, streams genericiooptions.IOStreams) error {
	began := time.Now()
	var proof replay.Proof
	err := c.withSpan(ctx, f, f.verify, streams.ErrOut, func(body io.Reader, progress func(int)) (err error) {
		proof, err = replay.Prove(ctx, body, progress)
		return err
	})
	if err != nil {
		return err
	}
	if err := f.readable(proof.Taken, false); err != nil {
		return err
	}
	p := &player{flags: f, out: streams.Out, folded: time.Since(began)}
	return p.conclude(proof.Verdict, nil, 0)
}

// openSpan fetches the span and folds it.
func (c *client) openSpan(ctx context.Context, f *replayFlags, secrets bool, progress io.Writer) (span *replay.Span, err error) {
	err = c.withSpan(ctx, f, secrets, progress, func(body io.Reader, progress func(int)) (err error) {
		span, err = replay.Open(ctx, body, replay.Config{Table: kinds.Table(), Progress: progress})
		return err
	})
	return span, err
}

// withSpan fetches the span for who folds it, and shows how far that is.
func (c *client) withSpan(ctx context.Context, f *replayFlags, secrets bool, out io.Writer, fold func(io.Reader, func(int)) error) error {
	body, err := c.fetchSpan(ctx, f, secrets)
	if err != nil {
		return err
	}
	defer body.Close()
	bar := &progressBar{out: out}
	defer bar.end()
	err = fold(body, func(done int) { bar.count("folding", uint64(done)) })
	if err != nil && f.file != "" {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	return err
}

func (c *client) fetchSpan(ctx context.Context, f *replayFlags, secrets bool) (io.ReadCloser, error) {
	if f.file != "" {
		return os.Open(f.file)
	}
	params, err := c.spanParams(f.from, f.to)
	if err != nil {
		return nil, err
	}
	if secrets {
		params.Set("secrets", "true")
	}
	return c.ask(ctx, "export", params)
}

// player shows a span from its beginning on.
type player struct {
	span   *replay.Span
	flags  *replayFlags
	out    io.Writer
	folded time.Duration
}

// ending is how a replay ended, for programs.
type ending struct {
	Replayed replay.Verdict `json:"replayed"`
	Stopped  proto.Seq      `json:"stopped,omitempty"` // where --break was true
}

func (p *player) play(ctx context.Context, when *condition.Condition) error {
	last, stopped := p.span.Last(), proto.Seq(0)
	if when != nil {
		var err error
		if stopped, err = p.span.Next(ctx, when, p.span.First()-1); err != nil {
			return err
		}
		if stopped > 0 {
			last = stopped
		}
	}
	if !p.flags.quiet {
		if err := p.show(ctx, last); err != nil {
			return err
		}
	}
	return p.end(when, last, stopped)
}

// show prints the frames up to the last one, at the pace that is asked for.
func (p *player) show(ctx context.Context, last proto.Seq) error {
	if p.flags.output == "table" {
		writeEventsHead(p.out)
	}
	var before time.Time
	for seq := p.span.First(); seq <= last; seq++ {
		frame, err := p.span.Frame(ctx, seq)
		if err != nil {
			return err
		}
		if err := p.wait(ctx, before, frame.Time); err != nil {
			return err
		}
		before = frame.Time
		if p.flags.output == "table" {
			writeFrame(p.out, frame, p.flags.verify, p.flags.full)
			continue
		}
		if err := p.document(frame); err != nil {
			return err
		}
	}
	return nil
}

// wait lets as much time pass as did then, as many times faster as was asked for.
func (p *player) wait(ctx context.Context, before, at time.Time) error {
	if p.flags.speed == 0 || before.IsZero() || !at.After(before) {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Duration(float64(at.Sub(before)) / p.flags.speed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// document prints one of several documents.
func (p *player) document(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return writeLine(p.out, p.flags.output, append(line, '\n'))
}

// end says what the replay came to at its last transaction.
func (p *player) end(when *condition.Condition, last, stopped proto.Seq) error {
	verdict, err := p.span.Verdict(last)
	if err != nil {
		return err
	}
	return p.conclude(verdict, when, stopped)
}

// conclude tells the verdict; that a state differs is an error.
func (p *player) conclude(verdict replay.Verdict, when *condition.Condition, stopped proto.Seq) error {
	if p.flags.output != "table" {
		if err := p.document(ending{Replayed: verdict, Stopped: stopped}); err != nil {
			return err
		}
	} else {
		switch {
		case stopped > 0:
			fmt.Fprintf(p.out, "Stopped at transaction %d: %s is true.\n", stopped, when)
		case when != nil:
			fmt.Fprintf(p.out, "It did not stop: %s was never true.\n", when)
		}
		writeVerdict(p.out, verdict, p.folded, p.flags.file)
	}
	if verdict.Differs > 0 {
		return fmt.Errorf("the fold gives another state than was recorded from transaction %d on: this version of segno folds it otherwise, or the log was changed; segno verify tells which", verdict.Differs)
	}
	return nil
}
