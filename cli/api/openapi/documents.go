// Package openapi (stub).
package openapi

import (
	"net/http"

	"segno/events"
)

type Config struct {
	Table   *events.Table
	Version string
}
type Documents struct{}

func New(cfg Config) *Documents { return &Documents{} }

func (d *Documents) Serve(w http.ResponseWriter, r *http.Request, path string) bool { return false }
