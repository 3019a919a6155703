package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/cli/api"
	"segno/cli/internal/serve"
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
	group.Go(func() error { return serve.Until(ctx, overBus, tunnels) })
	if c.https == nil {
		return nil
	}
	secured, err := c.secured()
	if err != nil {
		return err
	}
	overTLS := c.newServer(ctx, api.ByCertificate(c.api))
	group.Go(func() error { return serve.Until(ctx, overTLS, secured) })
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
