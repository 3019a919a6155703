package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"segno/bus"
	"segno/cli/internal/replace"
	"segno/proto"
)

// credentialFile is where a node keeps its own, in its folder.
const credentialFile = "credential.json"

// keptCredential reads the credential in file, or makes one there.
func keptCredential(file string, actor proto.Actor) (bus.Credential, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return newCredential(file, actor)
	}
	if err != nil {
		return bus.Credential{}, fmt.Errorf("read a credential: %w", err)
	}
	var credential bus.Credential
	if err := json.Unmarshal(data, &credential); err != nil {
		return bus.Credential{}, fmt.Errorf("read the credential in %s: %w", file, err)
	}
	return credential, nil
}

func newCredential(file string, actor proto.Actor) (bus.Credential, error) {
	credential, err := bus.NewCredential(actor)
	if err != nil {
		return credential, err
	}
	return credential, keepSecret(file, credential)
}

// keepSecret keeps a credential where only its owner reads it. A node that lost
// it could not come back, hence all at once.
func keepSecret(file string, credential any) error {
	data, err := json.MarshalIndent(credential, "", "  ")
	if err != nil {
		return fmt.Errorf("encode a credential: %w", err)
	}
	if err := replace.File(file, data); err != nil {
		return fmt.Errorf("keep a credential: %w", err)
	}
	return nil
}

// portOf is the port of a URL, "" when there is none.
func portOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Port()
}
