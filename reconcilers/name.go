package reconcilers

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// suffixAlphabet is Kubernetes' own: no vowels, so that no word comes out, and
// nothing that looks like something else.
const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// suffixLength is the number of characters behind a generated name, and
// generatedPrefix the longest prefix that leaves room for them in a label.
const (
	suffixLength    = 5
	generatedPrefix = 63 - suffixLength
)

// digest hashes the parts, each with its length, so that no two lists of
// parts run into one another.
func digest(parts ...any) [sha256.Size]byte {
	sum := sha256.New()
	for _, part := range parts {
		write(sum, fmt.Sprint(part))
	}
	var out [sha256.Size]byte
	sum.Sum(out[:0])
	return out
}

func write(sum hash.Hash, text string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(text)))
	sum.Write(length[:])
	sum.Write([]byte(text))
}

// Suffix makes five characters for a generated name out of what is to be told
// apart: a pure function cannot draw random ones.
func Suffix(parts ...any) string {
	sum := digest(parts...)
	n := binary.BigEndian.Uint64(sum[:])
	var out [suffixLength]byte
	for i := range out {
		out[i] = suffixAlphabet[n%uint64(len(suffixAlphabet))]
		n /= uint64(len(suffixAlphabet))
	}
	return string(out[:])
}

// Generated is a name of the given prefix and suffix that is short enough to be
// a host name.
func Generated(prefix, suffix string) string {
	if len(prefix) > generatedPrefix {
		prefix = prefix[:generatedPrefix]
	}
	return prefix + suffix
}

// UID makes an object's UID out of what is to be told apart: a UUID of version
// 8, which RFC 9562 leaves to the maker.
func UID(parts ...any) types.UID {
	sum := digest(parts...)
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum[:16])
	return types.UID(text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:])
}

// Stamp is a time as objects keep it: whole seconds.
func Stamp(at time.Time) metav1.Time { return metav1.NewTime(at.Truncate(time.Second)) }
