package bus

import (
	"fmt"

	"github.com/nats-io/nkeys"

	"segno/proto"
)

// Credential is what its holder connects with: who it says it is, and the
// nkey seed that proves it. The seed is secret.
type Credential struct {
	Actor  proto.Actor `json:"actor"` // "user:admin", "node:n1"
	Public string      `json:"public"`
	Seed   string      `json:"seed"`

	// Where to connect, for a node that joined.
	URL         string `json:"url,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"` // of the cluster's CA
	Cluster     string `json:"cluster,omitempty"`     // its name
	// DNS are the addresses at which the cluster's names are answered, Services the
	// networks of Services' addresses; none is of before they could be chosen.
	DNS      []string `json:"dns,omitempty"`
	Services []string `json:"services,omitempty"`
}

// NewCredential makes a fresh key pair for the actor.
func NewCredential(actor proto.Actor) (Credential, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return Credential{}, fmt.Errorf("make an nkey for %s: %w", actor, err)
	}
	return credentialOf(actor, pair)
}

// CredentialFromSeed is the credential of a known seed.
func CredentialFromSeed(actor proto.Actor, seed string) (Credential, error) {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return Credential{}, fmt.Errorf("nkey seed of %s: %w", actor, err)
	}
	return credentialOf(actor, pair)
}

func credentialOf(actor proto.Actor, pair nkeys.KeyPair) (Credential, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return Credential{}, fmt.Errorf("public nkey of %s: %w", actor, err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return Credential{}, fmt.Errorf("nkey seed of %s: %w", actor, err)
	}
	return Credential{Actor: actor, Public: public, Seed: string(seed)}, nil
}

// sign answers the server's challenge.
func (c Credential) sign(nonce []byte) ([]byte, error) {
	pair, err := nkeys.FromSeed([]byte(c.Seed))
	if err != nil {
		return nil, fmt.Errorf("nkey seed of %s: %w", c.Actor, err)
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}
