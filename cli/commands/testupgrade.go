package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/archive"
	"segno/cli/upgrade"
	"segno/events/kinds"
	"segno/proto"
)

// errDiffers ends a command whose answer is that something differs.
var errDiffers = errors.New("the new version would do something otherwise")

func newTestUpgrade(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var binary, from, to, output string
	cmd := &cobra.Command{
		Use: "test-upgrade --binary NEW", Short: "Run the recorded history through a new version before it runs",
		Long: `Run the recorded history through another version of segno, and list what it would do otherwise than this one: states
that come out differently, changes that would be refused, or decided in another way. The cluster is only read from.

The log has outcomes, not requests: each object of each transaction is asked for again as it came out, by both versions, and
what the two find is compared. The exit status is 1 when something differs.`,
		Example: `  segno test-upgrade --binary ./segno-new
  segno test-upgrade --binary ./segno-new --from 24h -o yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			if binary == "" {
				return errors.New("--binary is required: the program of the new version")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop() // not before the history is gone from the disk again
			report, err := c.testUpgrade(ctx, streams, binary, from, to)
			if err != nil {
				return err
			}
			if output == "table" {
				err = writeUpgrade(streams.Out, report)
			} else {
				err = writeAs(streams.Out, output, report)
			}
			if err == nil && len(report.Differences) > 0 {
				return errDiffers
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&binary, "binary", "", "The program of the new version")
	flags.StringVar(&from, "from", "", "Begin at this sequence, time or duration ago (default: the beginning of the log)")
	flags.StringVar(&to, "to", "", "End at this sequence, time or duration ago (default: now)")
	flags.StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

// newExamine is what test-upgrade calls of another version.
func newExamine(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: upgrade.Command, Short: "Examine the archive on standard input, for test-upgrade", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return upgrade.Examine(cmd.Context(), kinds.Table(), streams.In, streams.Out)
		},
	}
}

func (c *client) testUpgrade(ctx context.Context, streams genericiooptions.IOStreams, binary, from, to string) (report upgrade.Report, err error) {
	dir, err := os.MkdirTemp("", "segno-upgrade-*") // for its owner alone
	if err != nil {
		return report, fmt.Errorf("make room for the history: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := upgrade.Config{New: binary, File: filepath.Join(dir, "history"+archive.Suffix)}
	if cfg.Running, err = os.Executable(); err != nil {
		return report, fmt.Errorf("find this program: %w", err)
	}
	if cfg.From, cfg.To, err = c.download(ctx, cfg.File, from, to); err != nil {
		return report, err
	}
	bar := &progressBar{out: streams.ErrOut}
	defer bar.end()
	total := 2 * uint64(cfg.To-cfg.From+1)
	cfg.Progress = func(done int) { bar.show("examining", uint64(done), total) }
	return upgrade.Compare(ctx, cfg)
}

// download takes a span of the log home, secrets included, and says which
// transactions are in it.
func (c *client) download(ctx context.Context, path, from, to string) (first, last proto.Seq, err error) {
	if from, err = exactMoment(from, c.now(), false); err != nil {
		return 0, 0, fmt.Errorf("--from: %w", err)
	}
	if to, err = exactMoment(to, c.now(), true); err != nil {
		return 0, 0, fmt.Errorf("--to: %w", err)
	}
	body, err := c.ask(ctx, "export", url.Values{"from": {from}, "to": {to}, "secrets": {"true"}})
	if err != nil {
		return 0, 0, err
	}
	defer body.Close()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, 0, fmt.Errorf("keep the history: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, body); err != nil {
		return 0, 0, fmt.Errorf("take the history home: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, 0, fmt.Errorf("read the history: %w", err)
	}
	in, err := archive.NewReader(file)
	if err != nil {
		return 0, 0, fmt.Errorf("read the history: %w", err)
	}
	defer in.Close()
	log, err := in.Next()
	if err != nil {
		return 0, 0, fmt.Errorf("read the history: %w", err)
	}
	return log.Seq + 1, log.Last, nil
}

// writeUpgrade tells what the new version would do otherwise, a difference a
// paragraph.
func writeUpgrade(out io.Writer, r upgrade.Report) error {
	fmt.Fprintf(out, "%d transactions (%s to %s) through %s and %s: ", r.Transactions, r.From, r.To, r.Running, r.New)
	if len(r.Differences) == 0 {
		_, err := fmt.Fprintln(out, "nothing would differ")
		return err
	}
	fmt.Fprintf(out, "%d differ\n", len(r.Differences))
	for _, d := range r.Differences {
		fmt.Fprintf(out, "\n%s %s %s\n", d.Seq, d.Time.Local().Format(timeFormat), d.Object)
		secret := strings.HasPrefix(d.Object, "secrets/")
		tellFinding(out, "now", d.Running, secret)
		tellFinding(out, "new", d.New, secret)
	}
	return nil
}

func tellFinding(out io.Writer, who string, found *upgrade.Finding, secret bool) {
	switch {
	case found == nil:
		fmt.Fprintf(out, "  %s: as recorded\n", who)
	case found.What == upgrade.WhatFacts:
		fmt.Fprintf(out, "  %s: would be recorded as %s\n", who, found.Facts)
	case found.What == upgrade.WhatState:
		fmt.Fprintf(out, "  %s: the state after it is another one\n", who)
	case found.What == upgrade.WhatRefused:
		fmt.Fprintf(out, "  %s: %s would be refused: %s\n", who, found.Fact, found.Refused)
	default:
		fmt.Fprintf(out, "  %s: %s would come out otherwise\n", who, found.Fact)
		for _, change := range found.Changes {
			if secret && concealed(proto.Object{Resource: "secrets"}, change.Path) {
				fmt.Fprintf(out, "       .%s\n", change.Path)
				continue
			}
			fmt.Fprintf(out, "       .%s: %s → %s\n", change.Path, shortened(change.Old), shortened(change.New))
		}
	}
}
