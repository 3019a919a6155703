package api

import (
	"net/http"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
)

// sameSite refuses what a foreign web page makes a browser do: browsers show a
// client certificate to whoever asks for a connection. A page that sends a token
// of its own proves that it may. Reading needs no check, since browsers keep the
// answer from the page; a WebSocket does, since there they do not.
func (c *call) sameSite() error {
	origin := c.r.Header.Get("Origin")
	if origin == "" || c.r.Header.Get("Authorization") != "" {
		return nil
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !wsstream.IsWebSocketRequest(c.r) {
			return nil
		}
	}
	if at, err := url.Parse(origin); err == nil && at.Host == c.r.Host {
		return nil
	}
	return statusText(http.StatusForbidden, metav1.StatusReasonForbidden, "forbidden: the page at %q may not use this server with your certificate", origin)
}

// anyOrigin is for upgraders: sameSite has looked already.
func anyOrigin(*http.Request) bool { return true }
