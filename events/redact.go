package events

import "segno/proto"

// Redact takes what is secret out of a transaction that leaves the cluster. env
// is written to; changed tells that something was taken. A body that cannot be
// read is taken out whole.
func (t *Table) Redact(env *proto.Envelope) (changed bool) {
	for i := range env.Events {
		ev := &env.Events[i]
		kind := t.Of(ev.Key.Resource)
		if kind == nil || kind.Redact == nil || len(ev.Body) == 0 {
			continue
		}
		sections := Sections{Spec: ev.Body}
		if ev.Section == proto.SectionStatus {
			sections = Sections{Status: ev.Body}
		}
		redacted, found := kind.redact(sections)
		if !found {
			continue
		}
		ev.Body = redacted.Spec
		if ev.Section == proto.SectionStatus {
			ev.Body = redacted.Status
		}
		changed = true
	}
	return changed
}

// RedactRecord is Redact for an object as the fold keeps it.
func (t *Table) RedactRecord(r *Record) (changed bool) {
	kind := t.Of(r.Key.Resource)
	if kind == nil || kind.Redact == nil {
		return false
	}
	sections, changed := kind.redact(Sections{Spec: r.Spec, Status: r.Status})
	if changed {
		r.Spec, r.Status = sections.Spec, sections.Status
	}
	return changed
}

func (k *Kind) redact(s Sections) (Sections, bool) {
	obj, err := k.Decode(s)
	if err != nil {
		return Sections{}, true
	}
	if !k.Redact(obj) {
		return s, false
	}
	out, err := k.Encode(obj)
	if err != nil {
		return Sections{}, true
	}
	return out, true
}
