package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"

	"segno/proto"
)

// Token lets a machine become a node, once: an nkey seed, and the fingerprint
// of the cluster's CA, by which the machine knows whom it talks to.
type Token struct {
	ID          string // ten characters; not secret
	Public      string // nkey: all that the control plane keeps
	Seed        string // secret
	Fingerprint string
}

// NewToken makes a token for the cluster with this CA.
func NewToken(fingerprint string) (Token, error) {
	credential, err := NewCredential("join:")
	if err != nil {
		return Token{}, err
	}
	return Token{ID: tokenID(credential.Public), Public: credential.Public, Seed: credential.Seed, Fingerprint: fingerprint}, nil
}

// tokenID follows from the key, so that neither side can pretend another one.
func tokenID(public string) string {
	sum := sha256.Sum256([]byte(public))
	return hex.EncodeToString(sum[:5])
}

// String is the token as it is handed to a person: secret.
func (t Token) String() string { return t.Seed + "." + t.Fingerprint }

// Identity is the token's holder as the server knows it.
func (t Token) Identity() Identity {
	return Identity{Role: RoleJoin, Name: t.ID, Public: t.Public}
}

// ParseToken reads what String wrote.
func ParseToken(text string) (Token, error) {
	seed, fingerprint, ok := strings.Cut(strings.TrimSpace(text), ".")
	raw, err := hex.DecodeString(fingerprint)
	if !ok || err != nil || len(raw) != sha256.Size {
		return Token{}, fmt.Errorf("join token: want an nkey seed, a dot, and a fingerprint of %d hexadecimal digits", 2*sha256.Size)
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return Token{}, fmt.Errorf("join token: its first part is not an nkey seed: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return Token{}, fmt.Errorf("join token: %w", err)
	}
	return Token{ID: tokenID(public), Public: public, Seed: seed, Fingerprint: strings.ToLower(fingerprint)}, nil
}

func (t Token) actor() proto.Actor { return t.Identity().Actor() }
