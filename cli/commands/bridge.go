package commands

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"segno/cli/internal/splice"
)

// bridge is an HTTP CONNECT proxy on loopback that leads into the tunnel,
// whatever address is asked for. It lives as long as the process and lets in
// only who knows its password, which never leaves the process.
type bridge struct {
	url      *url.URL
	password string
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

func openBridge(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*bridge, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the bridge for streams: %w", err)
	}
	password := rand.Text()
	b := &bridge{
		url:      &url.URL{Scheme: "http", Host: listener.Addr().String(), User: url.UserPassword("segno", password)},
		password: "Basic " + base64.StdEncoding.EncodeToString([]byte("segno:"+password)),
		dial:     dial,
	}
	server := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process, which it serves
	return b, nil
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := r.Header.Get("Proxy-Authorization")
	if subtle.ConstantTimeCompare([]byte(given), []byte(b.password)) != 1 {
		http.Error(w, "this bridge belongs to another process", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is served here", http.StatusMethodNotAllowed)
		return
	}
	far, err := b.dial(r.Context(), "", "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer near.Close()
	if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	splice.Join(near, buffered, far, far)
}
