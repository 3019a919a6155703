package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/archive"
)

func newExport(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var from, to string
	var secrets, overwrite bool
	cmd := &cobra.Command{
		Use: "export FILE", Short: "Take a span of the log home, as a file that segno open reads",
		Long: "Write a span of the log to a file: every transaction in it, the state before it, and the notes of the same time.\n" +
			"segno open reads it on any machine, with all commands that read. The values of Secrets are taken out, unless --secrets\n" +
			"says otherwise; their keys, and when they changed, stay.",
		Example: `  # All there is
  segno export everything.segno

  # The hour of the incident, to look at it at home
  segno export incident.segno --from 02:30 --to 03:30
  segno open incident.segno

  # By sequences, with the values of Secrets
  segno export incident.segno --from 1042 --to 1730 --secrets`,
		Args: exactly(1, "which file? Name it as in: segno export incident.segno"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if from, err = exactMoment(from, c.now(), false); err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			if to, err = exactMoment(to, c.now(), true); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			params := url.Values{"from": {from}, "to": {to}}
			if secrets {
				params.Set("secrets", "true")
			}
			save := saving{file: args[0], overwrite: overwrite, what: "export", streams: streams}
			held, err := save.ask(cmd.Context(), c, "export", params)
			if err != nil {
				return err
			}
			tellHeld(streams.Out, args[0], held)
			fmt.Fprintf(streams.Out, "Open it with: segno open %s\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "Begin at this sequence, time or duration ago (default: at the beginning of the log)")
	cmd.Flags().StringVar(&to, "to", "", "End at this sequence, time or duration ago (default: now)")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "Keep the values of Secrets")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "Replace the file if it is there")
	return cmd
}

// exactly takes so many arguments, and says in plain words what is missing.
func exactly(n int, missing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return errors.New(missing)
		}
		if len(args) > n {
			return fmt.Errorf("too many arguments: %s", strings.Join(args[n:], " "))
		}
		return nil
	}
}

// saving is an archive on its way from a cluster into a file: the file is there
// when it is whole, and only then.
type saving struct {
	file      string
	overwrite bool
	what      string
	streams   genericiooptions.IOStreams
}

// ask asks a question whose answer is an archive, keeps it, and reads it back.
func (s saving) ask(ctx context.Context, c *client, question string, params url.Values) (archive.Contents, error) {
	var none archive.Contents
	if err := vacant(s.file, s.overwrite); err != nil {
		return none, err
	}
	fresh, err := os.CreateTemp(filepath.Dir(s.file), "."+filepath.Base(s.file)+".*.part") // mode 0600
	if err != nil {
		return none, fmt.Errorf("write %s: %w", s.file, err)
	}
	defer os.Remove(fresh.Name()) // gone already when all went well
	defer fresh.Close()
	body, err := c.ask(ctx, question, params)
	if err != nil {
		return none, err
	}
	defer body.Close()
	if _, err := io.Copy(fresh, s.meter(body)); err != nil {
		return none, fmt.Errorf("write %s: the answer was cut short: %w", s.file, err)
	}
	if err := fresh.Sync(); err != nil {
		return none, fmt.Errorf("write %s: %w", s.file, err)
	}
	if _, err := fresh.Seek(0, io.SeekStart); err != nil {
		return none, fmt.Errorf("read %s back: %w", s.file, err)
	}
	held, err := archive.Check(ctx, fresh)
	if err == nil {
		err = os.Rename(fresh.Name(), s.file)
	}
	if err != nil {
		return none, fmt.Errorf("read %s back: %w", s.file, err)
	}
	return held, nil
}

// vacant refuses to write a file that is there, unless it may be replaced.
func vacant(file string, overwrite bool) error {
	_, err := os.Lstat(file)
	if overwrite || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.New("it is there already; take another name, or --overwrite")
	}
	return fmt.Errorf("write %s: %w", file, err)
}

// meter says how much has come: how much will is not known before.
func (s saving) meter(body io.Reader) io.Reader {
	begun, told := time.Now(), time.Time{}
	return &metered{Reader: body, tell: func(done uint64, err error) {
		if now := time.Now(); now.Sub(begun) > progressPatience && (now.Sub(told) > progressEvery || err != nil) {
			told = now
			fmt.Fprintf(s.streams.ErrOut, "\r%s: %.1f MB", s.what, float64(done)/1e6)
			if err != nil {
				fmt.Fprintln(s.streams.ErrOut)
			}
		}
	}}
}

// metered counts what is read.
type metered struct {
	io.Reader
	done uint64
	tell func(done uint64, err error)
}

func (t *metered) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.done += uint64(n)
	t.tell(t.done, err)
	return n, err
}

// sizeOf is how large a file is, in whole kB where it is small.
func sizeOf(bytes int64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%d kB", (bytes+999)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

// tellHeld says what an archive holds.
func tellHeld(out io.Writer, file string, held archive.Contents) {
	size := "?"
	if info, err := os.Stat(file); err == nil {
		size = sizeOf(info.Size())
	}
	fmt.Fprintf(out, "%s: %s, %s\n", file, size, tellsOf(held.Header))
	for _, log := range held.Logs {
		fmt.Fprintf(out, "  %-7s %d transactions behind a state of %d objects\n", log.Log.Stream, log.Sum.Transactions, log.Sum.Objects)
	}
	if held.Header.Redacted {
		fmt.Fprintln(out, "  The values of Secrets are not in it.")
	} else {
		fmt.Fprintln(out, "  The values of Secrets are in it: whoever has the file can read them.")
	}
}

// tellsOf says what an archive tells of.
func tellsOf(h archive.Header) string {
	if h.From > h.To {
		return fmt.Sprintf("cluster %s as of %s", h.Cluster, h.Until.Local().Format(timeFormat))
	}
	return fmt.Sprintf("cluster %s, transactions %s to %s, %s to %s", h.Cluster, h.From, h.To,
		h.Since.Local().Format(timeFormat), h.Until.Local().Format(timeFormat))
}
