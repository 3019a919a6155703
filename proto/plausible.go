package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxElements bounds one list of a node message: a byte of input can become a
// hundred bytes of struct.
const maxElements = 100_000

var errShort = errors.New("ends too early")

// maxDepth bounds how deep values lie in one another: the decoder recurses.
const maxDepth = 32

// Plausible walks a msgpack value without building it: every length that it
// claims must fit into the bytes that are there. The decoder trusts lengths,
// and ten hostile bytes could have it allocate gigabytes.
func Plausible(data []byte) error {
	s := scan{rest: data}
	left := []int{1} // values still to come, at each depth
	for len(left) > 0 {
		deepest := &left[len(left)-1]
		if *deepest == 0 {
			left = left[:len(left)-1]
			continue
		}
		*deepest--
		elements, err := s.value()
		switch {
		case err != nil:
			return err
		case elements == 0:
			continue
		case elements > maxElements:
			return fmt.Errorf("a list of %d elements, at most %d are allowed", elements, maxElements)
		case elements > len(s.rest):
			return fmt.Errorf("says %d values follow, %d bytes do", elements, len(s.rest))
		case len(left) == maxDepth:
			return fmt.Errorf("values lie more than %d deep in one another", maxDepth)
		}
		left = append(left, elements)
	}
	if len(s.rest) > 0 {
		return fmt.Errorf("%d bytes after its end", len(s.rest))
	}
	return nil
}

// scan reads msgpack headers.
type scan struct{ rest []byte }

// value reads one header and skips its own bytes; elements is how many values
// follow as its content.
func (s *scan) value() (elements int, err error) {
	if len(s.rest) == 0 {
		return 0, errShort
	}
	code := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case code <= 0x7f, code >= 0xe0, code == 0xc0, code == 0xc2, code == 0xc3: // small numbers, nil, false, true
		return 0, nil
	case code <= 0x8f: // small map
		return 2 * int(code&0x0f), nil
	case code <= 0x9f: // small array
		return int(code & 0x0f), nil
	case code <= 0xbf: // small string
		return 0, s.skip(uint64(code & 0x1f))
	case code <= 0xc6 && code >= 0xc4: // bytes
		return 0, s.skipCounted(1<<(code-0xc4), 0)
	case code <= 0xc9 && code >= 0xc7: // extensions, with a type byte
		return 0, s.skipCounted(1<<(code-0xc7), 1)
	case code == 0xca, code == 0xcb: // floats
		return 0, s.skip(4 << (code - 0xca))
	case code <= 0xcf && code >= 0xcc: // unsigned
		return 0, s.skip(1 << (code - 0xcc))
	case code <= 0xd3 && code >= 0xd0: // signed
		return 0, s.skip(1 << (code - 0xd0))
	case code <= 0xd8 && code >= 0xd4: // extensions of fixed size
		return 0, s.skip(1 + 1<<(code-0xd4))
	case code <= 0xdb && code >= 0xd9: // strings
		return 0, s.skipCounted(1<<(code-0xd9), 0)
	case code == 0xdc, code == 0xdd: // arrays
		n, err := s.count(2 << (code - 0xdc))
		return n, err
	case code == 0xde, code == 0xdf: // maps
		n, err := s.count(2 << (code - 0xde))
		return 2 * n, err
	default:
		return 0, fmt.Errorf("byte %#x means nothing", code)
	}
}

// count reads a big-endian length of the given number of bytes.
func (s *scan) count(size int) (int, error) {
	if len(s.rest) < size {
		return 0, errShort
	}
	var wide [8]byte
	copy(wide[8-size:], s.rest[:size])
	s.rest = s.rest[size:]
	return int(binary.BigEndian.Uint64(wide[:])), nil
}

func (s *scan) skipCounted(size, more int) error {
	n, err := s.count(size)
	if err != nil {
		return err
	}
	return s.skip(uint64(n + more))
}

func (s *scan) skip(n uint64) error {
	if n > uint64(len(s.rest)) {
		return fmt.Errorf("says %d bytes, %d are left", n, len(s.rest))
	}
	s.rest = s.rest[n:]
	return nil
}
