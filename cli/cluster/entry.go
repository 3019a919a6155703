package cluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"segno/agents/ingress"
	"segno/cli/internal/replace"
)

// entryFile, in a node's folder, keeps what was asked for of its ingress: the next
// start of the node is to be the same.
const entryFile = "ingress.json"

// Entry says how a node lets clients in. What is left out is as before.
type Entry struct {
	On        *bool        `json:"on,omitempty"` // at first on for a cluster's own node, off for one that joins
	Addresses []netip.Addr `json:"addresses,omitempty"`
	HTTP      uint16       `json:"http,omitempty"`
	HTTPS     uint16       `json:"https,omitempty"`
}

// recallEntry takes from before what is not asked for now, and keeps what is. The
// answer is nil where no clients are let in.
func recallEntry(dir string, asked Entry, usually bool) (*ingress.Options, error) {
	before, file := Entry{}, filepath.Join(dir, entryFile)
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the node's ingress of before (%s; without the file the flags count alone): %w", file, err)
	}
	now := before
	if asked.On != nil {
		now.On = asked.On
	}
	if len(asked.Addresses) > 0 {
		now.Addresses = asked.Addresses
	}
	if asked.HTTP != 0 {
		now.HTTP = asked.HTTP
	}
	if asked.HTTPS != 0 {
		now.HTTPS = asked.HTTPS
	}
	plain, secure := cmp.Or(now.HTTP, ingress.DefaultHTTP), cmp.Or(now.HTTPS, ingress.DefaultHTTPS)
	if plain == secure {
		return nil, fmt.Errorf("serve Ingresses at port %d, plain and with TLS: take two ports, with --ingress-http-port and --ingress-https-port", plain)
	}
	if !now.same(before) {
		if data, err = json.Marshal(now); err == nil {
			err = replace.File(file, data)
		}
		if err != nil {
			return nil, fmt.Errorf("remember the node's ingress: %w", err)
		}
	}
	if now.On != nil && !*now.On || now.On == nil && !usually {
		return nil, nil
	}
	return &ingress.Options{Addresses: now.Addresses, HTTP: plain, HTTPS: secure}, nil
}

func (e Entry) same(as Entry) bool {
	on := e.On == as.On || e.On != nil && as.On != nil && *e.On == *as.On
	return on && slices.Equal(e.Addresses, as.Addresses) && e.HTTP == as.HTTP && e.HTTPS == as.HTTPS
}
