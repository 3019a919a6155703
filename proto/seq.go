package proto

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Seq is a position in a log: the JetStream sequence of a transaction.
// The first transaction has 1; 0 means "before everything" or "none".
// An object's resourceVersion is the Seq of its newest event.
type Seq uint64

// String is the decimal form, as resourceVersion shows it.
func (s Seq) String() string { return strconv.FormatUint(uint64(s), 10) }

// ParseSeq reads the decimal form. The empty string is 0.
func ParseSeq(text string) (Seq, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("sequence %q: must be a decimal number", text)
	}
	return Seq(n), nil
}

// Hash is a SHA-256 sum: of an encoded envelope in the hash chain, or the
// order-independent sum over the current objects (a state hash).
type Hash [sha256.Size]byte

// HashOf is the chain hash of one encoded envelope.
func HashOf(encoded []byte) Hash { return sha256.Sum256(encoded) }

// IsZero tells whether the hash is unset, as it is before the first transaction.
func (h Hash) IsZero() bool { return h == Hash{} }

// String is the lower-case hexadecimal form.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short is the first twelve hexadecimal digits, for people.
func (h Hash) Short() string { return h.String()[:12] }
