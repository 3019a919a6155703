package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"segno/proto"
)

// Command is the subcommand that every segno from this version on has for
// others to call: it examines the archive on its standard input.
const Command = "examine-history"

// Report is what a new version would do otherwise.
type Report struct {
	Running      string       `json:"running"` // versions
	New          string       `json:"new"`
	From         proto.Seq    `json:"from"`
	To           proto.Seq    `json:"to"`
	Transactions int          `json:"transactions"`
	Differences  []Difference `json:"differences"`
}

// Difference is where the two programs part. One of them may do what was
// recorded, and is then nil.
type Difference struct {
	Seq     proto.Seq `json:"seq"`
	Object  string    `json:"object,omitempty"`
	Running *Finding  `json:"running,omitempty"`
	New     *Finding  `json:"new,omitempty"`
}

// Config says which programs examine which file.
type Config struct {
	Running, New string // programs
	File         string // an archive with secrets
	From, To     proto.Seq
	// Progress is told how many transactions both together have examined.
	Progress func(done int)
}

// Compare runs both programs and compares what they find.
func Compare(ctx context.Context, cfg Config) (Report, error) {
	report := Report{From: cfg.From, To: cfg.To, Differences: []Difference{}}
	running, err := examine(ctx, cfg, cfg.Running, 0)
	if err != nil {
		return report, err
	}
	next, err := examine(ctx, cfg, cfg.New, running.done)
	if err != nil {
		return report, err
	}
	report.Running, report.New, report.Transactions = running.version, next.version, running.done
	report.Differences = append(report.Differences, differences(running.found, next.found)...)
	return report, nil
}

// place is what a finding is about.
type place struct {
	seq    proto.Seq
	object string
}

// examined is what one program found.
type examined struct {
	version string
	done    int
	ended   bool
	found   map[place]Finding
}

func differences(running, next map[place]Finding) (out []Difference) {
	places := maps.Clone(running)
	maps.Copy(places, next)
	for at := range places {
		was, had := running[at]
		is, has := next[at]
		if had && has && same(was, is) {
			continue
		}
		d := Difference{Seq: at.seq, Object: at.object}
		if had {
			d.Running = &was
		}
		if has {
			d.New = &is
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		if a.Seq != b.Seq {
			return int(a.Seq) - int(b.Seq)
		}
		return strings.Compare(a.Object, b.Object)
	})
	return out
}

func same(a, b Finding) bool {
	one, errA := json.Marshal(a)
	other, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(one, other)
}

// examine runs one program on the file.
func examine(ctx context.Context, cfg Config, program string, before int) (*examined, error) {
	file, err := os.Open(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("examine the history: %w", err)
	}
	defer file.Close()
	cmd := exec.CommandContext(ctx, program, Command)
	var words bytes.Buffer
	cmd.Stdin, cmd.Stderr = file, &words
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	e := &examined{found: map[place]Finding{}}
	err = e.read(out, func(done int) {
		if cfg.Progress != nil {
			cfg.Progress(before + done)
		}
	})
	_, _ = io.Copy(io.Discard, out) // it must not wait for a reader
	if failed := cmd.Wait(); failed != nil || err != nil || !e.ended {
		return nil, e.failure(program, words.String(), errors.Join(failed, err))
	}
	return e, nil
}

// failure explains why a program did not come to the end.
func (e *examined) failure(program, words string, err error) error {
	words = strings.TrimSpace(words)
	if e.version == "" {
		return fmt.Errorf("%s cannot examine a history: %w: %s\nIt must be a segno that has the command %s", program, errOr(err), words, Command)
	}
	return fmt.Errorf("%s (version %s) cannot go through the history: %w: %s", program, e.version, errOr(err), words)
}

var errEnded = errors.New("it ended early")

func errOr(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

// maxFindings bounds what is kept of a version that does everything otherwise.
const maxFindings = 100_000

func (e *examined) read(r io.Reader, tell func(done int)) error {
	in := json.NewDecoder(r)
	for {
		var l line
		if err := in.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read what it found: %w", err)
		}
		switch {
		case l.Version != "":
			e.version = l.Version
		case l.Finding != nil:
			e.found[place{l.Finding.Seq, l.Finding.Object}] = *l.Finding
			if len(e.found) > maxFindings {
				return fmt.Errorf("more than %d transactions come out otherwise than recorded; take a shorter span with --from", maxFindings)
			}
		default:
			e.done, e.ended = l.Done, l.End
			tell(l.Done)
		}
	}
}
