package api

import (
	"net/http"
	"strings"

	"segno/cli/api/discovery"
)

// serveOther serves the paths that are not about objects.
func (c *call) serveOther() error {
	path := strings.TrimSuffix(c.r.URL.Path, "/")
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return notServed()
	}
	switch {
	case path == "":
		return c.sendJSON(map[string]any{"paths": c.api.paths()})
	case path == "/openapi/v2", path == "/openapi/v3", strings.HasPrefix(path, "/openapi/v3/"):
		return c.describe(path)
	case path == "/api", path == "/apis", strings.HasPrefix(path, "/api/"), strings.HasPrefix(path, "/apis/"):
		return c.discover(path)
	}
	return notServed()
}

// paths is what the root lists.
func (a *API) paths() []string {
	out := a.discovery.Paths()
	return append(out, "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
}

func (c *call) discover(path string) error {
	doc, ok := c.api.discovery.Find(path, discovery.Wants(c.r.Header.Values("Accept")), c.r.Host)
	if !ok {
		return notServed()
	}
	if doc.ETag != "" {
		c.w.Header().Set("ETag", doc.ETag)
		if c.r.Header.Get("If-None-Match") == doc.ETag {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if strings.HasPrefix(doc.Type, typeJSON) {
		data, err := dress(doc.Body, accept{pretty: prettyFor(c.r)})
		if err != nil {
			return err
		}
		return c.send(http.StatusOK, doc.Type, data)
	}
	return c.send(http.StatusOK, doc.Type, doc.Body)
}

// describe serves OpenAPI. A client that names the right hash may keep the
// document for ever.
func (c *call) describe(path string) error {
	doc, found, err := c.api.openapi.Find(path, c.r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	if !found {
		return notServed()
	}
	header := c.w.Header()
	etag := `"` + doc.Hash + `"`
	header.Set("ETag", etag)
	if c.r.URL.Query().Get("hash") == doc.Hash {
		header.Set("Cache-Control", "public, immutable, max-age=31536000")
	}
	if c.r.Header.Get("If-None-Match") == etag {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.send(http.StatusOK, doc.Type, doc.Body)
}
