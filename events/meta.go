package events

import (
	"encoding/binary"

	"segno/proto"
)

// Field numbers of the generated protobuf of k8s.io/api.
const (
	fieldMetadata = 1 // of every object
	fieldPodSpec  = 2 // of a Pod

	fieldDeletion = 9 // of ObjectMeta
	fieldLabels   = 11
	fieldOwners   = 13

	fieldOwnerUID = 4 // of OwnerReference

	fieldMapKey   = 1 // of a map's entry
	fieldMapValue = 2

	fieldNodeName = 10 // of PodSpec
)

var pods = proto.Resource{Name: "pods"}

// Meta is what can be told of an object without decoding it. Its texts alias
// the record's body.
type Meta struct {
	Labels []MetaLabel
	Owners [][]byte // their UIDs
	Ends   bool     // it has a deletionTimestamp
	Node   []byte   // that a pod is bound to
}

// MetaLabel is one label.
type MetaLabel struct{ Key, Value []byte }

// ScanMeta reads it out of a record's spec section, which must be protobuf. It
// is total: of a malformed body it answers what it understood.
func ScanMeta(r *Record) (m Meta) {
	eachField(r.Spec, func(number uint64, value []byte) {
		switch {
		case number == fieldMetadata:
			m.scan(value)
		case number == fieldPodSpec && r.Key.Resource == pods:
			m.Node = lastField(value, fieldNodeName)
		}
	})
	return m
}

func (m *Meta) scan(objectMeta []byte) {
	eachField(objectMeta, func(number uint64, value []byte) {
		switch number {
		case fieldDeletion:
			m.Ends = true
		case fieldLabels:
			m.Labels = append(m.Labels, MetaLabel{Key: lastField(value, fieldMapKey), Value: lastField(value, fieldMapValue)})
		case fieldOwners:
			if uid := lastField(value, fieldOwnerUID); uid != nil {
				m.Owners = append(m.Owners, uid)
			}
		}
	})
}

func lastField(body []byte, wanted uint64) (out []byte) {
	eachField(body, func(number uint64, value []byte) {
		if number == wanted {
			out = value
		}
	})
	return out
}

// eachField calls fn with every length-delimited field of a message, and stops
// where the bytes make no sense.
func eachField(body []byte, fn func(number uint64, value []byte)) {
	for len(body) > 0 {
		number, value, size := nextField(body)
		if size == 0 {
			return
		}
		if value != nil {
			fn(number, value)
		}
		body = body[size:]
	}
}

// nextField reads the number and whole size of the first field of a protobuf
// message, and its value when that is length-delimited; size is 0 when it is
// malformed.
func nextField(data []byte) (number uint64, value []byte, size int) {
	tag, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, nil, 0
	}
	rest := data[n:]
	switch tag & 7 {
	case 0: // a varint
		_, m := binary.Uvarint(rest)
		if m <= 0 {
			return 0, nil, 0
		}
		n += m
	case 1: // 64 bits
		n += 8
	case 2: // bytes, with their length
		length, m := binary.Uvarint(rest)
		if m <= 0 || length > uint64(len(rest)-m) {
			return 0, nil, 0
		}
		end := m + int(length)
		value = rest[m:end:end]
		n += end
	case 5: // 32 bits
		n += 4
	default:
		return 0, nil, 0
	}
	if n > len(data) {
		return 0, nil, 0
	}
	return tag >> 3, value, n
}
