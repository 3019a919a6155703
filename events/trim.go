package events

import (
	"encoding/binary"
	"slices"
)

// Part is the part of a message that somebody looks at: all of it, or parts of
// some of its fields.
type Part struct {
	whole  bool
	fields []partField
}

type partField struct {
	number uint64
	part   *Part
}

// Field adds a field to the part, none of it yet, and answers what there is of it.
func (p *Part) Field(number uint64) *Part {
	for _, f := range p.fields {
		if f.number == number {
			return f.part
		}
	}
	part := &Part{}
	p.fields = append(p.fields, partField{number, part})
	return part
}

// Fill makes the part all of the message.
func (p *Part) Fill() { p.whole = true }

// Trim appends what the part has of an encoded message. What that decodes to has
// the fields of the part as the message has them, and none of the others. It is
// false when the bytes make no sense.
func (p *Part) Trim(dst, body []byte) (out []byte, ok bool) {
	if p.whole {
		return append(dst, body...), true
	}
	for len(body) > 0 {
		number, value, size := nextField(body)
		if size == 0 {
			return dst, false
		}
		at := slices.IndexFunc(p.fields, func(f partField) bool { return f.number == number })
		switch {
		case at < 0:
		case value == nil || p.fields[at].part.whole:
			dst = append(dst, body[:size]...)
		default:
			if dst, ok = p.fields[at].part.trimInner(dst, number, value); !ok {
				return dst, false
			}
		}
		body = body[size:]
	}
	return dst, true
}

// trimInner appends a message within another one, its length in front.
func (p *Part) trimInner(dst []byte, number uint64, value []byte) (out []byte, ok bool) {
	const delimited = 2
	dst = binary.AppendUvarint(dst, number<<3|delimited)
	start := len(dst)
	if dst, ok = p.Trim(dst, value); !ok {
		return dst, false
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(dst)-start))
	return slices.Insert(dst, start, length[:n]...), true
}
