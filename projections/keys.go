package projections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// Every key starts with the byte of its space:
//
//	a                                    format of the rows
//	p                                    position, state hash, start of the log
//	b                                    the same as of the snapshot that the log began with
//	e seq                                an event row: state hash ‖ encoded envelope
//	v group resource ns name ~seq        a version: what the object's events of seq made of it
//	c group resource ns name             the object exists; value: its newest seq
//	l group resource k v ns name         … and has the label k=v
//	o uid group resource ns name         … and has an owner with this UID
//	n node ns name                       … and is a pod bound to this node
//	f group resource field value ns name … and has this value in an indexed field
//	t at seq                             clock time of every 64th transaction
//	k cause seq                          seq was caused by the transaction cause
//
// Texts are escaped and terminated so that keys sort as their parts do, whatever
// bytes they hold, and no key is a prefix of another of its space. Numbers
// are big-endian; ~seq is inverted, so that the newest version comes first.
const (
	spaceFormat   = 'a'
	spacePosition = 'p'
	spaceStart    = 'b'
	spaceEvent    = 'e'
	spaceVersion  = 'v'
	spaceCurrent  = 'c'
	spaceLabel    = 'l'
	spaceOwner    = 'o'
	spaceNode     = 'n'
	spaceField    = 'f'
	spaceTime     = 't'
	spaceCause    = 'k'
)

// A text's zero bytes become 00 FF, its end is 00 01.
const (
	escape     = 0x00
	escapedNul = 0xff
	terminator = 0x01
)

// versionMark ends a version key, and no other: its last byte alone tells Pebble
// whether there is a version behind the object, even where it has stripped the
// key's front. Keys that end with a number get a terminator for that.
const (
	versionMark   = 0x09
	versionSuffix = 9
)

var errKey = errors.New("malformed row key")

func appendText(dst []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == escape {
			dst = append(dst, escape, escapedNul)
			continue
		}
		dst = append(dst, text[i])
	}
	return append(dst, escape, terminator)
}

// takeText reads one text from the front of a key.
func takeText(key []byte) (text string, rest []byte, err error) {
	end := bytes.IndexByte(key, escape)
	if end >= 0 && end+1 < len(key) && key[end+1] == terminator {
		return string(key[:end]), key[end+2:], nil
	}
	var out []byte
	for i := 0; i+1 < len(key); i++ {
		if key[i] != escape {
			out = append(out, key[i])
			continue
		}
		if key[i+1] == terminator {
			return string(out), key[i+2:], nil
		}
		out = append(out, escape)
		i++
	}
	return "", nil, errKey
}

func appendTexts(dst []byte, texts ...string) []byte {
	for _, text := range texts {
		dst = appendText(dst, text)
	}
	return dst
}

func appendResource(dst []byte, space byte, r proto.Resource) []byte {
	return appendTexts(append(dst, space), r.Group, r.Name)
}

// appendObject is the key of an object in a space that holds one row for each,
// and the prefix of its versions.
func appendObject(dst []byte, space byte, key proto.ObjectKey) []byte {
	return appendTexts(appendResource(dst, space, key.Resource), key.Namespace, key.Name)
}

func appendSeq(dst []byte, seq proto.Seq) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(seq))
}

// appendVersion is the key of the version that seq made; a seek to it finds
// the newest version at or before seq.
func appendVersion(dst []byte, key proto.ObjectKey, seq proto.Seq) []byte {
	return appendVersionSuffix(appendObject(dst, spaceVersion, key), seq)
}

func appendVersionSuffix(prefix []byte, seq proto.Seq) []byte {
	return append(appendSeq(prefix, ^seq), versionMark)
}

// appendLast is a number at the end of a key other than a version.
func appendLast(dst []byte, seq proto.Seq) []byte { return append(appendSeq(dst, seq), terminator) }

func appendEvent(dst []byte, seq proto.Seq) []byte { return appendLast(append(dst, spaceEvent), seq) }

func eventKey(seq proto.Seq) []byte { return appendEvent(nil, seq) }

func causeKey(cause, seq proto.Seq) []byte {
	return appendLast(appendSeq([]byte{spaceCause}, cause), seq)
}

func timeKey(unixNano int64, seq proto.Seq) []byte {
	return appendLast(appendSeq([]byte{spaceTime}, proto.Seq(unixNano)), seq)
}

// takeSeq reads the number at the end of an event, cause or time key.
func takeSeq(key []byte) proto.Seq {
	if len(key) < 1+8+1 {
		return 0
	}
	return proto.Seq(binary.BigEndian.Uint64(key[len(key)-1-8:]))
}

// takeFirst reads the number at the front of a cause or time key.
func takeFirst(key []byte) proto.Seq {
	if len(key) < 1+8+8+1 {
		return 0
	}
	return proto.Seq(binary.BigEndian.Uint64(key[1:]))
}

// splitVersion is the prefix and the sequence of a version key.
func splitVersion(key []byte) (prefix []byte, seq proto.Seq) {
	n := len(key) - versionSuffix
	return key[:n], ^proto.Seq(binary.BigEndian.Uint64(key[n:]))
}

// takeObject reads the object that a key of the spaces c and v names.
func takeObject(key []byte) (proto.ObjectKey, error) {
	var out proto.ObjectKey
	rest := key[1:]
	for _, part := range []*string{&out.Group, &out.Resource.Name, &out.Namespace, &out.Name} {
		var err error
		if *part, rest, err = takeText(rest); err != nil {
			return out, fmt.Errorf("read row key %q: %w", key, err)
		}
	}
	return out, nil
}

// takeTail reads namespace and name behind the given prefix.
func takeTail(key []byte, prefix int) (namespace, name string, err error) {
	namespace, rest, err := takeText(key[prefix:])
	if err == nil {
		name, _, err = takeText(rest)
	}
	if err != nil {
		return "", "", fmt.Errorf("read row key %q: %w", key, err)
	}
	return namespace, name, nil
}

// after is the first key behind all those that start with prefix.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// splitKey tells Pebble where the object ends and the version begins, for
// bloom filters over objects.
func splitKey(key []byte) int {
	n := len(key)
	if n >= versionSuffix && key[n-1] == versionMark {
		return n - versionSuffix
	}
	return n
}

// comparer orders keys by their bytes. Separators are not shortened: a
// shortened key could be taken for a version.
var comparer = &pebble.Comparer{
	Name:                 "segno.1",
	Compare:              bytes.Compare,
	Equal:                bytes.Equal,
	ComparePointSuffixes: bytes.Compare,
	CompareRangeSuffixes: bytes.Compare,
	Split:                splitKey,
	AbbreviatedKey:       pebble.DefaultComparer.AbbreviatedKey,
	FormatKey:            pebble.DefaultComparer.FormatKey,
	ImmediateSuccessor:   pebble.DefaultComparer.ImmediateSuccessor,
	Separator:            func(dst, a, _ []byte) []byte { return append(dst, a...) },
	Successor:            func(dst, a []byte) []byte { return append(dst, a...) },
}
