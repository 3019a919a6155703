package upgrade

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"segno/cli/archive"
	"segno/cli/version"
	"segno/events"
	"segno/events/fields"
	"segno/events/rehearse"
	"segno/projections"
	"segno/proto"
)

// The ways in which a version can differ from what was recorded.
const (
	WhatState    = "state"    // the fold gives another state
	WhatRefused  = "refused"  // what was done would be refused
	WhatDecision = "decision" // something else would be done
	WhatFacts    = "facts"    // it would be recorded under another name, or with another reason
)

// Finding is where a program comes to something else than was recorded.
type Finding struct {
	Seq     proto.Seq       `json:"seq"`
	Time    time.Time       `json:"time"`
	What    string          `json:"what"`
	Object  string          `json:"object,omitempty"`
	Fact    string          `json:"fact,omitempty"` // that was recorded
	Refused string          `json:"refused,omitempty"`
	Changes []fields.Change `json:"changes,omitempty"` // old is recorded, new is what it would be
	Facts   string          `json:"facts,omitempty"`   // what would be recorded, of WhatFacts
}

// line is one line of what a program finds: its version first, a finding each,
// under which names it would record each transaction, and how many it has seen
// now and at the end.
type line struct {
	Version string    `json:"version,omitempty"`
	Finding *Finding  `json:"finding,omitempty"`
	Seq     proto.Seq `json:"seq,omitempty"`
	Facts   string    `json:"facts,omitempty"`
	Done    int       `json:"done,omitempty"`
	End     bool      `json:"end,omitempty"`
}

// doneEvery is how many transactions lie between two lines about progress.
const doneEvery = 4096

// Examine folds an archive with the rules of this program and decides its
// transactions again. It writes a JSON document a line; the last one says that it
// came to the end.
func Examine(ctx context.Context, table *events.Table, r io.Reader, w io.Writer) error {
	out := json.NewEncoder(w)
	if err := out.Encode(line{Version: version.Version}); err != nil {
		return fmt.Errorf("tell the version: %w", err)
	}
	a, err := archive.Open(ctx, r, archive.OpenConfig{Table: table})
	if err != nil {
		return fmt.Errorf("fold the history: %w", err)
	}
	defer func() { _ = a.Close() }() // it is thrown away
	e := examination{table: table, fold: a.Logs[proto.StreamEvents], differs: a.Differs, out: out}
	if e.fold == nil {
		return fmt.Errorf("fold the history: the archive has no log %s", proto.StreamEvents)
	}
	return e.run(ctx)
}

type examination struct {
	table   *events.Table
	fold    *projections.Projection
	differs proto.Seq
	out     *json.Encoder
}

func (e *examination) run(ctx context.Context) error {
	done := 0
	for env, err := range e.fold.Events(ctx, e.fold.First(), e.fold.Position().Seq) {
		if err == nil {
			err = e.transaction(env)
		}
		if err != nil {
			return err
		}
		if done++; done%doneEvery == 0 {
			if err := e.out.Encode(line{Done: done}); err != nil {
				return err
			}
		}
	}
	return e.out.Encode(line{Done: done, End: true})
}

func (e *examination) transaction(env *proto.Envelope) error {
	if env.Seq == e.differs {
		if err := e.tell(Finding{Seq: env.Seq, Time: env.At, What: WhatState}); err != nil {
			return err
		}
	}
	before, err := e.fold.At(env.Seq - 1)
	if err != nil {
		return err
	}
	after, err := e.fold.At(env.Seq)
	if err != nil {
		return err
	}
	outcomes, facts, err := rehearse.Again(e.table, before, after, env)
	if err != nil {
		return fmt.Errorf("decide transaction %s again: %w", env.Seq, err)
	}
	if err := e.out.Encode(line{Seq: env.Seq, Facts: strings.Join(facts, ", ")}); err != nil {
		return err
	}
	for _, o := range outcomes {
		found := Finding{
			Seq: env.Seq, Time: env.At, What: WhatDecision, Object: o.Key.String(), Fact: o.Fact, Refused: o.Refused, Changes: o.Changes,
		}
		if o.Refused != "" {
			found.What = WhatRefused
		}
		if err := e.tell(found); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) tell(found Finding) error { return e.out.Encode(line{Finding: &found}) }
