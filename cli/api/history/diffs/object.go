package diffs

import (
	"fmt"
	"slices"
	"strings"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Wish says what of an object is compared, and how much of it is answered.
type Wish struct {
	Spec, Status bool
	Counts       bool // only these, and neither texts nor fields
}

// Compare compares an object as of two moments; nil when nothing that is wished
// differs.
func Compare(table *events.Table, d history.Difference, wish Wish) (*Object, error) {
	out := &Object{Object: proto.ObjectOf(d.Key), Before: momentOf(d.Before), After: momentOf(d.After), Change: fate(d)}
	if out.Change == Passed {
		return out, nil
	}
	was, err := shown(table, d.Before)
	if err != nil {
		return nil, err
	}
	is, err := shown(table, d.After)
	if err != nil {
		return nil, err
	}
	if !wish.Counts {
		if err := out.compare(was, is, wish); err != nil {
			return nil, err
		}
	}
	if out.secret() {
		mask(was, is)
	}
	for _, section := range []struct {
		wished bool
		name   string
		cut    func(map[string]any) map[string]any
		into   **Part
	}{{wish.Spec, "spec", withoutStatus, &out.Spec}, {wish.Status, "status", onlyStatus, &out.Status}} {
		if !section.wished {
			continue
		}
		text := text{object: out, section: section.name, counts: wish.Counts}
		if *section.into, err = text.compare(section.cut(was), section.cut(is)); err != nil {
			return nil, fmt.Errorf("compare %s: %w", d.Key, err)
		}
	}
	if out.Spec == nil && out.Status == nil && out.Change == Changed {
		return nil, nil
	}
	return out, nil
}

func momentOf(rec *events.Record) *Moment {
	if rec == nil {
		return nil
	}
	return &Moment{Seq: rec.Seq, Time: rec.At}
}

func fate(d history.Difference) Change {
	switch {
	case d.Before == nil && d.After == nil:
		return Passed
	case d.Before == nil:
		return Created
	case d.After == nil:
		return Deleted
	case d.Before.UID != d.After.UID:
		return Replaced
	default:
		return Changed
	}
}

// shown is an object without the bookkeeping of writes; nil is none.
func shown(table *events.Table, rec *events.Record) (map[string]any, error) {
	if rec == nil {
		return nil, nil
	}
	obj, err := table.Decode(rec)
	if err != nil {
		return nil, err
	}
	value, err := fields.Of(obj)
	if err != nil {
		return nil, err
	}
	return fields.Tree(value).Object(), nil
}

func (o *Object) compare(was, is map[string]any, wish Wish) error {
	changes, err := fields.Compare(was, is)
	o.Changes = slices.DeleteFunc(changes, func(c history.Change) bool {
		status := c.Path == "status" || strings.HasPrefix(c.Path, "status.") || strings.HasPrefix(c.Path, "status[")
		return status && !wish.Status || !status && !wish.Spec
	})
	return err
}

func withoutStatus(object map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range object {
		if name != "status" {
			out[name] = value
		}
	}
	return out
}

func onlyStatus(object map[string]any) map[string]any {
	if status, ok := object["status"]; ok {
		return map[string]any{"status": status}
	}
	return nil
}

func (o *Object) secret() bool { return o.Group == "" && o.Resource == "secrets" }

// What stands for a value of a Secret in a text.
const (
	hidden       = "***"
	hiddenBefore = "*** (before)"
	hiddenAfter  = "*** (after)"
)

// lastApplied is the annotation in which kubectl keeps a copy of the object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mask takes the values out of a Secret: that they differ is still seen.
func mask(was, is map[string]any) {
	for _, way := range [][]string{{"data"}, {"stringData"}, {"metadata", "annotations"}} {
		a, b := dig(was, way), dig(is, way)
		for name, value := range a {
			switch other, both := b[name]; {
			case len(way) > 1 && name != lastApplied:
			case both && other != value:
				a[name], b[name] = hiddenBefore, hiddenAfter
			default:
				a[name] = hidden
			}
		}
		for name, value := range b {
			if value != hiddenAfter && (len(way) == 1 || name == lastApplied) {
				b[name] = hidden
			}
		}
	}
}

func dig(object map[string]any, way []string) map[string]any {
	for _, name := range way {
		object, _ = object[name].(map[string]any)
	}
	return object
}
