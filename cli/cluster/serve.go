package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/cli/api"
	"segno/proto"
)

// runDoors serves the one handler on HTTPS and on the bus.
func (c *Cluster) runDoors(ctx context.Context, group *errgroup.Group) error {
	tunnels, err := bus.Listen(c.control, proto.AnyUserDial)
	if err != nil {
		return fmt.Errorf("listen for the API on the bus: %w", err)
	}
	overBus := c.newServer(ctx, http.HandlerFunc(c.serveTunnel))
	overBus.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, conn)
	}
	group.Go(func() error { return serveUntil(ctx, overBus, tunnels) })
	if c.https == nil {
		return nil
	}
	overTLS := c.newServer(ctx, http.HandlerFunc(c.serveTLS))
	group.Go(func() error { return serveUntil(ctx, overTLS, c.https) })
	return nil
}

func (c *Cluster) newServer(ctx context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 3 * time.Minute,
		ErrorLog:    slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
}

type peerKey struct{}

// serveTunnel answers a request over the bus: the user is the pinned token of
// the subject that was dialled.
func (c *Cluster) serveTunnel(w http.ResponseWriter, r *http.Request) {
	if tunnel, ok := r.Context().Value(peerKey{}).(*bus.Tunnel); ok {
		user := api.User{Name: tunnel.Peer()}
		if user.Name == adminUser {
			user.Groups = []string{api.GroupMasters}
		}
		r = r.WithContext(api.WithUser(r.Context(), user))
	}
	c.api.ServeHTTP(w, r)
}

// serveTLS answers a request over HTTPS: the user is the common name of the
// client's certificate, the groups its organizations.
func (c *Cluster) serveTLS(w http.ResponseWriter, r *http.Request) {
	if len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.VerifiedChains[0][0].Subject
		r = r.WithContext(api.WithUser(r.Context(), api.User{Name: subject.CommonName, Groups: subject.Organization}))
	}
	c.api.ServeHTTP(w, r)
}

// serveUntil serves until ctx ends, and then lets requests under way come to
// their end; watches end with ctx.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
			return fmt.Errorf("serve the API at %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if server.Shutdown(late) != nil {
			_ = server.Close() // who is late is cut off
		}
		return nil
	})
	return group.Wait()
}
