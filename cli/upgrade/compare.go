package upgrade

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	Time    time.Time `json:"time"` // of the transaction
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

// transactions are those of the span.
func (c Config) transactions() int { return int(c.To - c.From + 1) }

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
	if next.done != running.done {
		return report, fmt.Errorf("%s (version %s) went through %d transactions of %d: what it says of them proves nothing", cfg.New, next.version, next.done, running.done)
	}
	report.Running, report.New, report.Transactions = running.version, next.version, running.done
	running.compareNames(next)
	report.Differences = append(report.Differences, differences(running.found, next.found)...)
	return report, describe(cfg.File, report.Differences)
}

// place is what a finding is about.
type place struct {
	seq    proto.Seq
	object string
}

// compareNames adds a finding for each transaction that the two would record
// under other names, unless one of them has more to say about it.
func (e *examined) compareNames(next *examined) {
	told := map[proto.Seq]bool{}
	for _, found := range []map[place]Finding{e.found, next.found} {
		for at := range found {
			told[at.seq] = true
		}
	}
	for seq, facts := range e.named {
		if other := next.named[seq]; other != facts && !told[seq] {
			e.found[place{seq: seq}] = Finding{Seq: seq, What: WhatFacts, Facts: facts}
			next.found[place{seq: seq}] = Finding{Seq: seq, What: WhatFacts, Facts: other}
		}
	}
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
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), strings.Compare(a.Object, b.Object))
	})
	return out
}

func same(a, b Finding) bool {
	one, errA := json.Marshal(a)
	other, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(one, other)
}
