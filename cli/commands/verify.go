package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/api/history"
	"segno/cli/checkpoint"
	"segno/cli/cluster"
	"segno/proto"
)

// verifyOptions say what is proved.
type verifyOptions struct {
	dataDir, checkpoint, key string
	signatureOnly            bool
	streams                  genericiooptions.IOStreams
}

func newVerify(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	o := verifyOptions{streams: streams}
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the log is whole and the state follows from it",
		Long: `Check the hash chain of every log, fold its events again from nothing, compare the result with the state, and compare
every byte of the log's files with what was acknowledged; files of archived epochs are read to their ends. The first thing that is wrong is named, and the exit status is 1.
What Services hold twice, or outside of the cluster's ranges, is named as well, and is no failure.
With --at the state hash of that moment is shown as well: a sequence has the same one for ever.

With --checkpoint a signed checkpoint is proved by a public key, and, where there is a cluster or a data directory to
compare it with, that the log still has exactly what was signed.`,
		Example: `  segno verify
  segno verify --at 1042

  # The folder of a stopped cluster, or a copy of one: no server is asked
  segno verify --data-dir /backup/segno

  # What somebody signed on Monday; without a cluster, the signature alone
  segno verify --checkpoint monday.note --key segno.pub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), c) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dataDir, "data-dir", "", "Prove the folder of a stopped cluster, without a server")
	flags.StringVar(&o.checkpoint, "checkpoint", "", "File of a signed checkpoint; - is the standard input")
	flags.StringVar(&o.key, "key", "", "Public key of the checkpoint, or the file that has it (see: segno checkpoint key)")
	flags.BoolVar(&o.signatureOnly, "signature-only", false, "Compare the checkpoint with no log")
	return cmd
}

func (o verifyOptions) run(ctx context.Context, c *client) error {
	if o.checkpoint == "" {
		if o.key != "" || o.signatureOnly {
			return errors.New("--key and --signature-only are about a checkpoint: name its file with --checkpoint")
		}
		return o.prove(ctx, c, newProof(o.streams))
	}
	if c.at != "" {
		return errors.New("a checkpoint names its own moment: leave --at out")
	}
	signed, err := o.open()
	if err != nil {
		return err
	}
	fmt.Fprintf(o.streams.Out, "The signature is good. %s signed at %s:\n         transaction %s of %s has the hash\n         chain %s\n         state %s\n",
		signed.Origin, signed.Time.Local().Format(time.DateTime), signed.Seq, signed.Stream, signed.Hash, signed.State)
	if signed.Audit > 0 {
		fmt.Fprintf(o.streams.Out, "         message %s of %s has the hash\n         chain %s\n", signed.Audit, proto.StreamAudit, signed.AuditHash)
	}
	if o.dataDir == "" && !o.signatureOnly {
		if err := c.reachable(); err != nil {
			fmt.Fprintf(o.streams.Out, "It was compared with no log: %s\n", firstLine(err))
			return nil
		}
	}
	if o.signatureOnly {
		return nil
	}
	c.at = signed.Seq.String()
	p := newProof(o.streams)
	p.signed = &signed
	return o.prove(ctx, c, p)
}

// open proves the checkpoint with the key.
func (o verifyOptions) open() (signed checkpoint.Checkpoint, err error) {
	if o.key == "" {
		return signed, errors.New("which key signed it? Name the public key, or its file, with --key; the cluster tells it: segno checkpoint key")
	}
	public := o.key
	if data, err := os.ReadFile(o.key); err == nil {
		public = string(data)
	} else if !strings.Contains(o.key, "+") {
		return signed, fmt.Errorf("read the public key: %w", err)
	}
	var note []byte
	if o.checkpoint == "-" {
		note, err = io.ReadAll(o.streams.In)
	} else {
		note, err = os.ReadFile(o.checkpoint)
	}
	if err != nil {
		return signed, fmt.Errorf("read the checkpoint: %w", err)
	}
	return checkpoint.Open(note, public)
}

// prove has the cluster, or the folder, prove itself.
func (o verifyOptions) prove(ctx context.Context, c *client, p *proof) error {
	var err error
	if o.dataDir != "" {
		err = cluster.VerifyData(ctx, o.dataDir, c.at, p.message(), slog.New(slog.DiscardHandler), p.take)
	} else {
		err = c.verify(ctx, p)
	}
	if err != nil && p.signed != nil && strings.Contains(err.Error(), "has not happened yet") {
		return fmt.Errorf("the log does not reach transaction %s, which the checkpoint states: it is another cluster's, or was cut short (%w)", p.signed.Seq, err)
	}
	return firstError(err, p.end())
}

// verify shows what the server proves.
func (c *client) verify(ctx context.Context, p *proof) error {
	return c.askLines(ctx, "verify", url.Values{"audit": {p.message().String()}}, func(line []byte) error {
		var v history.Verification
		if err := json.Unmarshal(line, &v); err != nil {
			return fmt.Errorf("read the progress: %w", err)
		}
		p.take(v)
		return nil
	})
}

// firstLine is what an error says first; hints follow.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// proof is what was told so far.
type proof struct {
	streams genericiooptions.IOStreams
	bar     *progressBar
	wrong   []string
	proved  bool
	signed  *checkpoint.Checkpoint // to be found in the log; nil is none
	same    bool
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
	if p.signed != nil && v.Result != nil && v.Stream == p.signed.Stream {
		p.compare(v.Result)
	}
	if p.message() > 0 && v.Result != nil && v.Stream == proto.StreamAudit {
		p.compareAudit(v.Result)
	}
}

// message is the one of AUDIT that was signed; 0 is none.
func (p *proof) message() proto.Seq {
	if p.signed == nil {
		return 0
	}
	return p.signed.Audit
}

// compareAudit finds the message that was signed in the audit, unless it ran out.
func (p *proof) compareAudit(result *history.Result) {
	what := ""
	switch {
	case result.At == p.message() && result.AtChain == p.signed.AuditHash.String():
		fmt.Fprintf(p.streams.Out, "         as the checkpoint states at message %s\n", result.At)
	case result.At == p.message():
		what = fmt.Sprintf("message %s has the hash %s: the checkpoint was signed for another record of requests, or this one was written again", result.At, result.AtChain)
	case result.Seq < p.message():
		what = fmt.Sprintf("it ends at message %s, and the checkpoint states message %s: it was cut short, or is another cluster's", result.Seq, p.message())
	case result.Problem == "":
		fmt.Fprintf(p.streams.Out, "         message %s, which the checkpoint states, is not kept any more\n", p.message())
	}
	if what != "" {
		fmt.Fprintf(p.streams.Out, "         WRONG: %s\n", what)
		p.wrong = append(p.wrong, proto.StreamAudit+": "+what)
	}
}

// compare finds what was signed in the log.
func (p *proof) compare(result *history.Result) {
	if p.same = result.At == p.signed.Seq && result.AtChain == p.signed.Hash.String() && result.AtHash == p.signed.State.String(); p.same {
		fmt.Fprintf(p.streams.Out, "         as the checkpoint states at sequence %s\n", p.signed.Seq)
		return
	}
	what := fmt.Sprintf("transaction %s has the hash %s, and the state after it %s: the checkpoint was signed for another history. This log is another cluster's, or was written again",
		p.signed.Seq, result.AtChain, result.AtHash)
	fmt.Fprintf(p.streams.Out, "         WRONG: %s\n", what)
	p.wrong = append(p.wrong, what)
}

func (p *proof) end() error {
	switch {
	case len(p.wrong) > 0:
		return fmt.Errorf("the cluster is not what its log says: %s", strings.Join(p.wrong, "; "))
	case !p.proved:
		return errors.New("the answer ended before the log was verified")
	case p.signed != nil && !p.same:
		return fmt.Errorf("the log was not compared with the checkpoint: there is no %s", p.signed.Stream)
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
		fmt.Fprintf(out, "%-7s  message %d, %d requests in %d messages of the chain, %d records on disk\n         chain %s\n", v.Stream, v.Result.Seq, v.Result.Requests, v.Result.Events, v.Result.Records, v.Result.Hash)
		return problemOf(out, v)
	}
	fmt.Fprintf(out, "%-7s  sequence %d, %d transactions in the chain, %d rows compared, %d records on disk\n         chain %s\n         state %s\n",
		v.Stream, v.Result.Seq, v.Result.Events, v.Result.Rows, v.Result.Records, v.Result.Hash, v.Result.StateHash)
	if v.Result.Redacted > 0 {
		fmt.Fprintf(out, "         %d of them redacted: they are linked by their hashes, what was in them cannot be proved\n", v.Result.Redacted)
	}
	if v.Result.Restored != "" {
		fmt.Fprintf(out, "         restored from %s, not started yet: the log's files are written at the first start\n", v.Result.Restored)
	}
	if a := v.Result.Archived; a != nil {
		fmt.Fprintf(out, "         %d archived epochs up to transaction %s: each file read to its end, linked with the others and with the log\n", a.Files, a.Last)
		for _, other := range a.Others {
			fmt.Fprintf(out, "         left alone: %s\n", other)
		}
	}
	for _, flaw := range v.Result.Services {
		fmt.Fprintf(out, "         %s\n", flaw)
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
