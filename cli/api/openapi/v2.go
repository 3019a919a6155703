package openapi

import (
	"fmt"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func info(version string) node { return node{"title": "segno", "version": version} }

// documentV2 is the one document of all groups.
func documentV2(cfg Config) node {
	m := newModels(dialectV2)
	paths := node{}
	var versions []schema.GroupVersion
	for _, g := range groupsOf(cfg.Table) {
		versions = append(versions, g.gv)
		m.paths(g, paths)
	}
	m.common(versions)
	return node{"swagger": "2.0", "info": info(cfg.Version), "paths": paths, "definitions": m.out}
}

// makeBinary turns the JSON document into gnostic's protobuf.
func (d *Documents) makeBinary() (Document, error) {
	text, err := d.v2()
	if err != nil {
		return Document{}, err
	}
	parsed, err := openapi_v2.ParseDocument(text.Body)
	if err != nil {
		return Document{}, fmt.Errorf("read our own OpenAPI v2 document: %w", err)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(parsed)
	if err != nil {
		return Document{}, fmt.Errorf("encode OpenAPI v2 as protobuf: %w", err)
	}
	return Document{Type: binaryAnswer, Body: body, Hash: hashOf(body)}, nil
}
