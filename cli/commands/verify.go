package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/proto"
)

func newVerify(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Prove that the log is whole and the state follows from it",
		Long:    "Check the hash chain of every log, fold its events again from nothing, and compare the result with the state.\nThe first thing that is wrong is named, and the exit status is 1.\nWith --at the state hash of that moment is shown as well: a sequence has the same one for ever.",
		Example: "  segno verify\n  segno verify --at 1042",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.verify(cmd.Context(), streams)
		},
	}
}

// verify shows what the server proves, and fails unless it was all true.
func (c *client) verify(ctx context.Context, streams genericiooptions.IOStreams) error {
	bar := &progressBar{out: streams.ErrOut}
	var wrong []string
	proved := false
	err := c.askLines(ctx, "verify", nil, func(line []byte) error {
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
		proved = proved || v.Result != nil && v.Stream == proto.StreamEvents
		wrong = append(wrong, tellVerified(streams.Out, v)...)
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(wrong) > 0:
		return fmt.Errorf("the cluster is not what its log says: %s", strings.Join(wrong, "; "))
	case !proved:
		return errors.New("the answer ended before the log was verified")
	}
	return nil
}

func tellVerified(out io.Writer, v history.Verification) (wrong []string) {
	if v.Result == nil {
		fmt.Fprintf(out, "%-7s  could not be verified: %s\n", v.Stream, v.Error)
		return []string{v.Stream + ": " + v.Error}
	}
	fmt.Fprintf(out, "%-7s  sequence %d, %d transactions in the chain, %d rows compared\n         chain %s\n         state %s\n",
		v.Stream, v.Result.Seq, v.Result.Events, v.Result.Rows, v.Result.Hash, v.Result.StateHash)
	if v.Result.At != 0 {
		fmt.Fprintf(out, "         state %s at sequence %d\n", v.Result.AtHash, v.Result.At)
	}
	if v.Result.Problem != "" {
		fmt.Fprintf(out, "         WRONG: %s\n", v.Result.Problem)
		wrong = append(wrong, v.Stream+": "+v.Result.Problem)
	}
	return wrong
}
