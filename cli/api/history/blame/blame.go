package blame

import (
	"encoding/json"
	"fmt"
	"time"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Blame is an object with the origin of each of its fields.
type Blame struct {
	Object proto.Object `json:"object"`
	UID    string       `json:"uid"`
	Seq    proto.Seq    `json:"seq"` // of the version that is looked at
	Time   time.Time    `json:"time"`
	// Value is the object without the bookkeeping of writes.
	Value map[string]any `json:"value"`
	// Fields are those that have a value of their own, in the order of the YAML.
	Fields []Field `json:"fields"`
}

// Field is one field and who last set it.
type Field struct {
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
	Origin
}

// Origin is the transaction that gave a field its value.
type Origin struct {
	Seq    proto.Seq   `json:"seq"`
	Time   time.Time   `json:"time,omitzero"` // absent where the transaction is no longer in the log
	Actor  proto.Actor `json:"actor"`
	Fact   string      `json:"fact,omitempty"`
	Reason string      `json:"reason,omitempty"`
	// Manager is the field's manager as managedFields has it, where the object is
	// kept account of.
	Manager string `json:"manager,omitempty"`
	Via     string `json:"via,omitempty"` // what the person typed, or the component
	// Earlier tells that the field may have been set before: what was before is no
	// longer in the log.
	Earlier bool `json:"earlier,omitempty"`
}

// Log is the past of one object.
type Log struct {
	Table *events.Table
	// Version is the newest version at or before a sequence; nil when there is none.
	Version func(last proto.Seq) (*history.Version, error)
	// Envelope is a transaction of the object's log.
	Envelope func(seq proto.Seq) (*proto.Envelope, error)
}

// Of walks back from a living version of an object until the origin of every
// field is known.
func Of(log Log, newest history.Version) (*Blame, error) {
	rec := newest.Record
	obj, err := log.Table.Decode(rec)
	if err != nil {
		return nil, err
	}
	value, err := fields.Of(obj)
	if err != nil {
		return nil, err
	}
	w := &walk{log: log, key: rec.Key, origins: map[string]Origin{}}
	tree := fields.Tree(value)
	for section, top := range tops(tree) {
		if err := w.back(section, top, version{rec: rec, obj: obj}); err != nil {
			return nil, fmt.Errorf("blame %s: %w", rec.Key, err)
		}
	}
	out := &Blame{Object: proto.ObjectOf(rec.Key), UID: rec.UID, Seq: rec.Seq, Time: rec.At, Value: tree.Object()}
	tree.Leaves(func(leaf *fields.Node, _ []*fields.Node) {
		data, marshalErr := json.Marshal(leaf.Value)
		if marshalErr != nil {
			err = fmt.Errorf("show the field %s: %w", leaf.Path, marshalErr)
		}
		out.Fields = append(out.Fields, Field{Path: leaf.Path, Value: data, Origin: w.origins[leaf.Path]})
	})
	return out, err
}

// tops are the parts of an object that are written apart, by section.
func tops(tree *fields.Node) map[proto.Section]*fields.Node {
	spec, status := &fields.Node{}, &fields.Node{}
	for _, below := range tree.Below {
		of := spec
		if below.Key == "status" {
			of = status
		}
		of.Below = append(of.Below, below)
	}
	return map[proto.Section]*fields.Node{proto.SectionSpec: spec, proto.SectionStatus: status}
}

// version is one on the way back; both of its forms are shared.
type version struct {
	rec *events.Record
	obj events.Object
}

// wrote is the transaction that wrote a section as the version has it; a status
// that nobody wrote is what its object was created with.
func (v version) wrote(section proto.Section) proto.Seq {
	switch {
	case section != proto.SectionStatus:
		return v.rec.SpecSeq
	case v.rec.StatusSeq == 0:
		return v.rec.Created
	default:
		return v.rec.StatusSeq
	}
}

type walk struct {
	log     Log
	key     proto.ObjectKey
	origins map[string]Origin
}

// open is a field whose origin is not known yet.
type open struct {
	way  []*fields.Node // to the leaf
	text string         // its value
}

func openOf(top *fields.Node) (out map[string]open, err error) {
	out = map[string]open{}
	top.Leaves(func(leaf *fields.Node, way []*fields.Node) {
		data, failed := json.Marshal(leaf.Value)
		if failed != nil {
			err = failed
		}
		if leaf != top {
			out[leaf.Path] = open{way: way, text: string(data)}
		}
	})
	return out, err
}

// back finds the origins of a section's fields: from one version that wrote it to
// the one before, until none is open.
func (w *walk) back(section proto.Section, top *fields.Node, now version) error {
	left, err := openOf(top)
	for err == nil && len(left) > 0 {
		seq := now.wrote(section)
		var before version
		var same map[string]open
		if before, err = w.before(now, seq); err != nil {
			return err
		}
		if before.rec != nil {
			if same, err = openIn(section, before.obj); err != nil {
				return err
			}
		}
		for path, field := range left {
			if had, ok := same[path]; ok && had.text == field.text {
				continue
			}
			if err = w.settle(section, path, field, seq, now, before.rec == nil && seq != now.rec.Created); err != nil {
				return err
			}
			delete(left, path)
		}
		now = before
	}
	return err
}

// before is the version of the same object before a transaction; an empty one
// when there was none.
func (w *walk) before(now version, seq proto.Seq) (version, error) {
	if seq <= now.rec.Created {
		return version{}, nil
	}
	found, err := w.log.Version(seq - 1)
	if err != nil || found == nil || found.Record.Deleted || found.Record.UID != now.rec.UID {
		return version{}, err
	}
	obj, err := w.log.Table.Decode(found.Record)
	return version{rec: found.Record, obj: obj}, err
}

func openIn(section proto.Section, obj events.Object) (map[string]open, error) {
	value, err := fields.Of(obj)
	if err != nil {
		return nil, err
	}
	return openOf(tops(fields.Tree(value))[section])
}

// settle notes the origin of a field: the transaction that wrote its section as
// now has it.
func (w *walk) settle(section proto.Section, path string, field open, seq proto.Seq, now version, earlier bool) error {
	env, err := w.log.Envelope(seq)
	if err != nil {
		return err
	}
	origin := Origin{Seq: seq, Earlier: earlier || env == nil, Manager: managerOf(now.obj, section, field.way)}
	if env != nil {
		origin.Time, origin.Actor, origin.Via = env.At, env.Actor, env.Via
		for i := range env.Events {
			if ev := &env.Events[i]; ev.Key == w.key && ev.Section == section {
				origin.Fact, origin.Reason = ev.Kind, ev.Reason
			}
		}
	}
	w.origins[path] = origin
	return nil
}
