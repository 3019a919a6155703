package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"sync"

	"segno/events"
)

// Config says what is described.
type Config struct {
	Table   *events.Table
	Version string // of the server
}

// Document is an answer, ready to send.
type Document struct {
	Type string
	Body []byte
	Hash string
}

// Documents makes each document once, on first use.
type Documents struct {
	cfg   Config
	index func() (Document, error)
	v3    map[string]func() (Document, error) // by group path: "api/v1", "apis/apps/v1"
	v2    func() (Document, error)
	v2pb  func() (Document, error)
}

// New prepares the documents of the table.
func New(cfg Config) *Documents {
	d := &Documents{cfg: cfg, v3: map[string]func() (Document, error){}}
	for _, g := range groupsOf(cfg.Table) {
		d.v3[g.path] = sync.OnceValues(func() (Document, error) { return jsonDocument(documentV3(g, cfg.Version)) })
	}
	d.index = sync.OnceValues(d.makeIndex)
	d.v2 = sync.OnceValues(func() (Document, error) { return jsonDocument(documentV2(cfg)) })
	d.v2pb = sync.OnceValues(d.makeBinary)
	return d
}

// Find answers the document of a path in the form that the Accept header asks
// for; found is false when there is none at that path.
func (d *Documents) Find(path, accept string) (doc Document, found bool, err error) {
	switch path {
	case "/openapi/v2":
		if wantsBinary(accept) {
			doc, err = d.v2pb()
		} else {
			doc, err = d.v2()
		}
		return doc, true, err
	case "/openapi/v3":
		doc, err = d.index()
		return doc, true, err
	}
	if group := d.v3[strings.TrimPrefix(path, "/openapi/v3/")]; group != nil {
		doc, err = group()
		return doc, true, err
	}
	return doc, false, nil
}

// indexEntry points to a document; the hash lets clients keep it for ever.
type indexEntry struct {
	URL string `json:"serverRelativeURL"`
}

func (d *Documents) makeIndex() (Document, error) {
	paths := map[string]indexEntry{}
	for path, make := range d.v3 {
		doc, err := make()
		if err != nil {
			return doc, err
		}
		paths[path] = indexEntry{URL: "/openapi/v3/" + path + "?hash=" + doc.Hash}
	}
	return jsonDocument(map[string]any{"paths": paths})
}

func jsonDocument(value any) (Document, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Document{}, fmt.Errorf("encode OpenAPI document: %w", err)
	}
	return Document{Type: "application/json", Body: body, Hash: hashOf(body)}, nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// The names of OpenAPI v2 in protobuf: clients write one with an @, which no
// media type may have.
const (
	binaryAsked  = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
	binaryAnswer = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
)

// wantsBinary tells whether the first readable clause asks for protobuf.
func wantsBinary(accept string) bool {
	for _, part := range strings.Split(accept, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch name {
		case binaryAsked, binaryAnswer:
			return true
		}
		if media, _, err := mime.ParseMediaType(name); err == nil && (media == "application/json" || media == "*/*") {
			return false
		}
	}
	return false
}
