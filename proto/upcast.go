package proto

import "fmt"

// Upcaster turns the bytes of one envelope version into those of the next.
type Upcaster func(data []byte) ([]byte, error)

// Codec reads envelopes of one version and, through a chain of upcasters, of
// every older one. The released codec is Decode; a Codec of one's own shows in
// a test how a version to come is read.
type Codec struct {
	Version   int              // that Read understands
	Upcasters map[int]Upcaster // by the version that they read; one for each older version
	Read      func(data []byte) (*Envelope, error)
}

// released is the codec of this segno. Version 1 is the first: its chain is
// empty. What a new version adds here is an upcaster from the one before it.
func released() Codec {
	return Codec{Version: Version, Read: decodeCurrent}
}

// Decode reads an envelope of this or any older version. Bodies alias data.
// Every error wraps ErrMalformed and says which field was wrong.
func Decode(data []byte) (*Envelope, error) { return released().Decode(data) }

// Decode reads an envelope of the codec's or any older version.
func (c Codec) Decode(data []byte) (*Envelope, error) {
	version, err := versionOf(data)
	if err != nil {
		return nil, err
	}
	if version > c.Version {
		return nil, fmt.Errorf("%w: version %d was written by a newer segno; this one reads up to %d", ErrMalformed, version, c.Version)
	}
	for ; version < c.Version; version++ {
		up, ok := c.Upcasters[version]
		if !ok {
			return nil, fmt.Errorf("%w: version %d is not known", ErrMalformed, version)
		}
		if data, err = up(data); err != nil {
			return nil, fmt.Errorf("%w: upcast from version %d: %w", ErrMalformed, version, err)
		}
	}
	return c.Read(data)
}
