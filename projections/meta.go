package projections

import "encoding/binary"

// Field numbers of the generated protobuf of k8s.io/api that the indexes need.
const (
	fieldMetadata = 1 // of every object
	fieldPodSpec  = 2 // of a Pod

	fieldLabels = 11 // of ObjectMeta
	fieldOwners = 13

	fieldOwnerUID = 4 // of OwnerReference

	fieldMapKey   = 1 // of a map's entry
	fieldMapValue = 2

	fieldNodeName = 10 // of PodSpec
)

// meta is what the indexes need of an object. It is read out of the encoded spec
// section without decoding the rest; texts alias the section.
type meta struct {
	labels []label
	owners [][]byte // UIDs
	node   []byte   // of a pod
}

type label struct{ key, value []byte }

// scanMeta reads the labels and owners of an encoded object, and the node of
// an encoded pod. It is total: of a malformed body it answers what it understood.
func scanMeta(body []byte, pod bool) (m meta) {
	eachField(body, func(number int, value []byte) {
		switch {
		case number == fieldMetadata:
			m.scanObjectMeta(value)
		case number == fieldPodSpec && pod:
			eachField(value, func(number int, value []byte) {
				if number == fieldNodeName {
					m.node = value
				}
			})
		}
	})
	return m
}

func (m *meta) scanObjectMeta(body []byte) {
	eachField(body, func(number int, value []byte) {
		switch number {
		case fieldLabels:
			var l label
			eachField(value, func(number int, value []byte) {
				switch number {
				case fieldMapKey:
					l.key = value
				case fieldMapValue:
					l.value = value
				}
			})
			m.labels = append(m.labels, l)
		case fieldOwners:
			eachField(value, func(number int, value []byte) {
				if number == fieldOwnerUID {
					m.owners = append(m.owners, value)
				}
			})
		}
	})
}

// The wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// eachField calls fn with every length-delimited field of a message, and stops
// where the bytes make no sense.
func eachField(body []byte, fn func(number int, value []byte)) {
	for len(body) > 0 {
		tag, n := binary.Uvarint(body)
		if n <= 0 {
			return
		}
		body = body[n:]
		var size int
		switch tag & 7 {
		case wireVarint:
			_, size = binary.Uvarint(body)
			if size <= 0 {
				return
			}
		case wireFixed64:
			size = 8
		case wireFixed32:
			size = 4
		case wireBytes:
			length, n := binary.Uvarint(body)
			if n <= 0 || length > uint64(len(body)-n) {
				return
			}
			body = body[n:]
			fn(int(tag>>3), body[:length:length])
			size = int(length)
		default:
			return
		}
		if size > len(body) {
			return
		}
		body = body[size:]
	}
}
