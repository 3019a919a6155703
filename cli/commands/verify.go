package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/cli/cluster"
	"segno/proto"
)

func newVerify(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the log is whole and the state follows from it",
		Long: `Check the hash chain of every log, fold its events again from nothing, compare the result with the state, and compare
every byte of the log's files with what was acknowledged. The first thing that is wrong is named, and the exit status is 1.
With --at the state hash of that moment is shown as well: a sequence has the same one for ever.`,
		Example: `  segno verify
  segno verify --at 1042

  # The folder of a stopped cluster, or a copy of one: no server is asked
  segno verify --data-dir /backup/segno`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dataDir != "" {
				return verifyData(cmd.Context(), streams, dataDir, c.at)
			}
			return c.verify(cmd.Context(), streams)
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "Prove the folder of a stopped cluster, without a server")
	return cmd
}

// verify shows what the server proves, and fails unless it was all true.
func (c *client) verify(ctx context.Context, streams genericiooptions.IOStreams) error {
	p := newProof(streams)
	err := c.askLines(ctx, "verify", nil, func(line []byte) error {
		var v history.Verification
		if err := json.Unmarshal(line, &v); err != nil {
			return fmt.Errorf("read the progress: %w", err)
		}
		p.take(v)
		return nil
	})
	return firstError(err, p.end())
}

// verifyData is verify of a folder.
func verifyData(ctx context.Context, streams genericiooptions.IOStreams, dir, at string) error {
	p := newProof(streams)
	err := cluster.VerifyData(ctx, dir, at, slog.New(slog.DiscardHandler), p.take)
	return firstError(err, p.end())
}

// proof is what was told so far.
type proof struct {
	streams genericiooptions.IOStreams
	bar     *progressBar
	wrong   []string
	proved  bool
}

func newProof(streams genericiooptions.IOStreams) *proof {
	return &proof{streams: streams, bar: &progressBar{out: streams.ErrOut}}
}

func (p *proof) take(v history.Verification) {
	if v.Result == nil && v.Error == "" {
		p.bar.show("verifying "+v.Stream, uint64(v.Done), uint64(v.Total))
		return
	}
	p.bar.end()
	p.bar = &progressBar{out: p.streams.ErrOut}
	p.proved = p.proved || v.Result != nil && v.Stream == proto.StreamEvents
	p.wrong = append(p.wrong, tellVerified(p.streams.Out, v)...)
}

func (p *proof) end() error {
	switch {
	case len(p.wrong) > 0:
		return fmt.Errorf("the cluster is not what its log says: %s", strings.Join(p.wrong, "; "))
	case !p.proved:
		return errors.New("the answer ended before the log was verified")
	default:
		return nil
	}
}

func tellVerified(out io.Writer, v history.Verification) (wrong []string) {
	if v.Result == nil {
		fmt.Fprintf(out, "%-7s  could not be verified: %s\n", v.Stream, v.Error)
		return []string{v.Stream + ": " + v.Error}
	}
	if v.Stream == proto.StreamAudit {
		fmt.Fprintf(out, "%-7s  message %d, %d requests in %d messages of the chain\n         chain %s\n", v.Stream, v.Result.Seq, v.Result.Requests, v.Result.Events, v.Result.Hash)
		return problemOf(out, v)
	}
	fmt.Fprintf(out, "%-7s  sequence %d, %d transactions in the chain, %d rows compared, %d records on disk\n         chain %s\n         state %s\n",
		v.Stream, v.Result.Seq, v.Result.Events, v.Result.Rows, v.Result.Records, v.Result.Hash, v.Result.StateHash)
	if v.Result.Redacted > 0 {
		fmt.Fprintf(out, "         %d of them redacted: they are linked by their hashes, what was in them cannot be proved\n", v.Result.Redacted)
	}
	if v.Result.At != 0 {
		fmt.Fprintf(out, "         state %s at sequence %d\n", v.Result.AtHash, v.Result.At)
	}
	return problemOf(out, v)
}

func problemOf(out io.Writer, v history.Verification) []string {
	if v.Result.Problem == "" {
		return nil
	}
	fmt.Fprintf(out, "         WRONG: %s\n", v.Result.Problem)
	return []string{v.Stream + ": " + v.Result.Problem}
}
