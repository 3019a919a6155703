package projections

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"segno/proto"
)

// Dump writes every row in a form for people and for tests, in key order. Two
// folds of the same log have the same dump.
func (p *Projection) Dump(w io.Writer) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	it, err := p.db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	defer it.Close()
	out := bufio.NewWriter(w)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("dump row %s: %w", describeKey(it.Key()), err)
		}
		fmt.Fprintln(out, strings.TrimSpace(describeKey(it.Key())+" "+describeValue(it.Key(), value)))
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	return out.Flush()
}

var spaceNames = map[byte]string{
	spaceFormat: "format", spacePosition: "position", spaceStart: "start", spaceEvent: "event", spaceVersion: "version",
	spaceCurrent: "current", spaceLabel: "label", spaceOwner: "owner", spaceNode: "node",
	spaceField: "field", spaceTime: "time", spaceCause: "cause",
}

// describeKey names a row.
func describeKey(key []byte) string {
	if len(key) == 0 {
		return "empty key"
	}
	name := spaceNames[key[0]]
	if name == "" {
		return fmt.Sprintf("unknown row %q", key)
	}
	switch key[0] {
	case spaceFormat, spacePosition, spaceStart:
		return name
	case spaceEvent:
		return fmt.Sprintf("%s %s", name, takeSeq(key))
	case spaceTime:
		return fmt.Sprintf("%s %s %s", name, clockText(int64(takeFirst(key))), takeSeq(key))
	case spaceCause:
		return fmt.Sprintf("%s %s of %s", name, takeFirst(key), takeSeq(key))
	case spaceVersion:
		if len(key) <= versionSuffix {
			break
		}
		object, seq := splitVersion(key)
		return fmt.Sprintf("%s %s @%s", name, strings.Join(texts(object[1:]), "/"), seq)
	}
	return name + " " + strings.Join(texts(key[1:]), "/")
}

// texts reads all texts of a key; what is not one is shown as it is.
func texts(rest []byte) (out []string) {
	for len(rest) > 0 {
		text, behind, err := takeText(rest)
		if err != nil {
			return append(out, fmt.Sprintf("%q", rest))
		}
		out, rest = append(out, text), behind
	}
	return out
}

func clockText(unixNano int64) string { return fromUnixNano(unixNano).Format(time.RFC3339Nano) }

func describeValue(key, value []byte) string {
	switch key[0] {
	case spaceFormat:
		return hex.EncodeToString(value)
	case spacePosition, spaceStart:
		st, err := readState(value)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s first %s term %d at %s hash %s state %s", st.Seq, st.First, st.Term, clockText(unixNano(st.At)), st.Hash.Short(), st.sum.hash().Short())
	case spaceEvent:
		return describeEvent(value)
	case spaceVersion:
		return describeVersion(value)
	case spaceCurrent:
		r, err := readCurrent(proto.ObjectKey{}, value)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("@%s spec %s status %s", r.rec.Seq, r.spec.Short(), r.status.Short())
	}
	return ""
}

func describeEvent(value []byte) string {
	hash, encoded, err := eventRow(value)
	if err != nil {
		return err.Error()
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("state %s %s by %s:", hash.Short(), env.Verb, env.Actor)
	for i := range env.Events {
		text += " " + env.Events[i].Kind
	}
	return text
}

func describeVersion(value []byte) string {
	v, err := readVersion(value)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("uid %s created %s spec @%s", v.uid, v.created, v.specSeq)
	if v.flags&flagSpec != 0 {
		text += " " + sectionHash(v.spec).Short()
	}
	if v.statusSeq > 0 {
		text += fmt.Sprintf(" status @%s", v.statusSeq)
	}
	if v.flags&flagStatus != 0 {
		text += " " + sectionHash(v.status).Short()
	}
	if v.flags&flagDeleted != 0 {
		text += " deleted"
	}
	return text
}
