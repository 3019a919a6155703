package incident

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"segno/cli/api"
	"segno/cli/contexts"
	"segno/cli/internal/serve"
	"segno/cli/pki"
)

// reader is who may read an opened incident: whoever has its certificate.
const reader = "admin"

// Server is an incident that is served on this machine, with keys made for it.
type Server struct {
	incident  *Incident
	authority *pki.Authority
	listener  net.Listener
}

// Listen takes a port of 127.0.0.1.
func (i *Incident) Listen() (*Server, error) {
	authority, err := pki.Open(filepath.Join(i.scratch, "pki"))
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Server("server", []string{"localhost", "127.0.0.1"})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	return &Server{incident: i, authority: authority, listener: tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: authority.Pool(),
	})}, nil
}

// URL is where the API is.
func (s *Server) URL() string { return "https://" + s.listener.Addr().String() }

// Entry is the incident as kubeconfig files name it.
func (s *Server) Entry(name string) (contexts.Entry, error) {
	pair, err := s.authority.Client(reader, api.GroupMasters)
	if err != nil {
		return contexts.Entry{}, err
	}
	return contexts.Entry{
		Name: name, Server: s.URL(), CA: s.authority.PEM(), ClientCert: pair.Cert, ClientKey: pair.Key, Aside: true,
	}, nil
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	return serve.Until(ctx, &http.Server{
		Handler: api.ByCertificate(s.incident.api), ReadHeaderTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}, s.listener)
}
