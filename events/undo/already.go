package undo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"segno/events/fields"
	"segno/proto"
)

// already says of a plan that has nothing to do since when that is so, and by whom.
func (p *planning) already() error {
	plan := p.plan
	if !plan.Empty() || len(plan.Conflicts)+len(plan.Left)+len(plan.Lost) > 0 {
		return nil
	}
	for _, d := range p.drafts {
		by, err := p.settler(d)
		if err != nil {
			return err
		}
		if by == nil {
			continue
		}
		word := "it is so"
		if d.now == nil {
			word = "it is gone"
		}
		plan.Already = append(plan.Already, noteOf(d.key, "%s since %s, by %s", word, by.Seq, by.named()))
	}
	slices.SortFunc(plan.Already, compareNotes)
	if len(plan.Already) == 0 && plan.Restore != nil {
		plan.Already = []Note{{Text: fmt.Sprintf("no person has changed any of it since %s", plan.Restore.At)}}
	}
	return nil
}

// settler is who made an object what it is to be; nil when nobody has since.
func (p *planning) settler(d *draft) (*Author, error) {
	if d.now == nil {
		record, err := p.Past.Version(d.key, newest)
		if err != nil || record == nil {
			return nil, err
		}
		by, err := p.authorOf(record.Seq)
		return &by, err
	}
	since, err := p.authors(d.key, p.from())
	if err != nil {
		return nil, err
	}
	var last *Author
	for _, path := range d.touched {
		// The control plane keeps fields of its own, such as the revision of a Deployment.
		if by := since.of(path); by != nil && by.Actor.Person() && (last == nil || by.Seq > last.Seq) {
			last = by
		}
	}
	if last == nil && p.plan.Restore != nil {
		last = since.newest()
	}
	if last != nil && !last.Actor.Person() {
		return nil, nil // nobody chose it
	}
	return last, nil
}

// from is the transaction since which the plan looks.
func (p *planning) from() (from proto.Seq) {
	if p.plan.Restore != nil {
		return p.plan.Restore.At
	}
	return slices.Min(p.plan.Undo)
}

func (a *Author) named() string {
	return strings.TrimSuffix(fmt.Sprintf("%s (%s)", cmp.Or(string(a.Actor), "somebody"), a.Via), " ()")
}

// touches notes which fields a transaction changed.
func (d *draft) touches(was, is map[string]any) error {
	changes, err := fields.Compare(was, is)
	for _, change := range changes {
		d.touched = append(d.touched, change.Path)
	}
	return err
}
