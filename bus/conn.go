package bus

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// ConnectConfig says where to connect and as whom.
type ConnectConfig struct {
	URL         string  // "nats://host:port" or "tls://host:port"; several with commas
	Server      *Server // in-process instead of URL
	Credential  Credential
	Fingerprint string       // SHA-256 of the CA's certificate: the server's chain must contain it
	TLS         *tls.Config  // instead of Fingerprint: full control
	Name        string       // shown in the server's list; the actor
	Log         *slog.Logger // of losses and reconnections
	Once        bool         // do not reconnect
}

// Conn is a connection to the bus. It reconnects by itself for ever, unless
// it was asked to connect once.
type Conn struct {
	nc     *nats.Conn
	actor  proto.Actor
	server *Server // when in-process
}

// Connect opens a connection and waits until it stands.
func Connect(cfg ConnectConfig) (*Conn, error) {
	log := orDefault(cfg.Log)
	name := cfg.Name
	if name == "" {
		name = string(cfg.Credential.Actor)
	}
	opts := []nats.Option{
		nats.Name(name),
		nats.Nkey(cfg.Credential.Public, cfg.Credential.sign),
		nats.CustomInboxPrefix(proto.Inbox(string(cfg.Credential.Actor))),
		nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus connection lost", "name", name, "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("bus connection is back", "name", name) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil {
				log.Error("bus subscription", "name", name, "subject", sub.Subject, "error", err)
				return
			}
			log.Error("bus connection", "name", name, "error", err)
		}),
	}
	where := cfg.URL
	if cfg.Server != nil {
		where = "in-process"
		opts = append(opts, nats.InProcessServer(cfg.Server.natsd), nats.NoReconnect())
	} else {
		opts = append(opts, nats.ReconnectWait(250*time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond), nats.MaxReconnects(-1))
	}
	if cfg.Once {
		opts = append(opts, nats.NoReconnect())
	}
	switch {
	case cfg.TLS != nil:
		opts = append(opts, nats.Secure(cfg.TLS))
	case cfg.Fingerprint != "":
		opts = append(opts, nats.Secure(pinned(cfg.Fingerprint)))
	}
	nc, err := nats.Connect(cfg.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus at %s as %s: %w", where, cfg.Credential.Actor, err)
	}
	return &Conn{nc: nc, actor: cfg.Credential.Actor, server: cfg.Server}, nil
}

// Actor is who the connection speaks as.
func (c *Conn) Actor() proto.Actor { return c.actor }

// Connected reports whether the connection stands now.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Close ends the connection at once.
func (c *Conn) Close() { c.nc.Close() }
