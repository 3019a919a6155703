package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// ConnectConfig says where to connect and as whom.
type ConnectConfig struct {
	URL         string       // "tls://host:port"; several with commas
	Server      *Server      // in-process instead of URL
	Name        string       // of the user or node
	Actor       proto.Actor  // default: the person of that Name
	Seed        string       // nkey seed
	CA          []byte       // PEM: the authority of the server's certificate
	Fingerprint string       // of that authority, when only this is known
	Log         *slog.Logger // of losses and reconnections
	Patient     bool         // a server that does not answer is no error: the connection stands once it does
	ShutOut     func()       // is told once the key is not let in any more; nil logs it

	firstPause time.Duration // before a connection that was lost is tried again; 0 is the usual
}

// Conn is a connection to the bus. It reconnects by itself for ever.
type Conn struct {
	nc     *nats.Conn
	actor  proto.Actor
	server *Server // when in-process

	mu    sync.Mutex
	holds map[any]func() // what a lost connection breaks, since messages are gone
}

// Connect opens a connection and waits until it stands, or, with Patient, until
// the first attempt is over.
func Connect(ctx context.Context, cfg ConnectConfig) (*Conn, error) {
	if cfg.Actor == "" {
		cfg.Actor = proto.UserActor(cfg.Name)
	}
	credential, err := CredentialFromSeed(cfg.Actor, cfg.Seed)
	if err != nil {
		return nil, err
	}
	secure, err := cfg.secure()
	if err != nil {
		return nil, err
	}
	c := &Conn{actor: cfg.Actor, server: cfg.Server, holds: map[any]func(){}}
	shut := cfg.shutOut()
	opts := append(c.options(cfg, credential, shut), secure...)
	if cfg.Patient {
		c.nc, err = connectLate(ctx, cfg, shut, opts)
	} else {
		c.nc, err = nats.Connect(cfg.URL, opts...)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the bus at %s as %s: %w", cfg.where(), cfg.Actor, err)
	}
	return c, nil
}

func (cfg ConnectConfig) where() string {
	if cfg.Server != nil {
		return "this process"
	}
	return cfg.URL
}

func (cfg ConnectConfig) secure() ([]nats.Option, error) {
	switch {
	case cfg.Fingerprint != "":
		return []nats.Option{nats.Secure(pinned(cfg.Fingerprint))}, nil
	case len(cfg.CA) > 0:
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("connect to the bus: the CA is not a PEM certificate")
		}
		return []nats.Option{nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots})}, nil
	default:
		return nil, nil
	}
}

func (cfg ConnectConfig) log() *slog.Logger {
	return orDefault(cfg.Log).With("bus", cfg.where(), "as", cfg.Actor)
}

func (cfg ConnectConfig) shutOut() *shutOut {
	shut := &shutOut{tell: cfg.ShutOut, first: cmp.Or(cfg.firstPause, firstPause)}
	if shut.tell == nil {
		shut.tell = func() { cfg.log().Error("the bus does not let this key in any more; it is tried now and then") }
	}
	return shut
}

func (c *Conn) options(cfg ConnectConfig, credential Credential, shut *shutOut) []nats.Option {
	log := cfg.log()
	name := cfg.Name
	if name == "" {
		name = string(cfg.Actor)
	}
	opts := []nats.Option{
		nats.Name(name),
		nats.Nkey(credential.Public, credential.sign),
		nats.CustomInboxPrefix(proto.Inbox(string(cfg.Actor))),
		nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.breakHolds()
			if err != nil {
				log.Warn("connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			if shut.back() {
				log.Warn("connection is back: the key is let in again")
				return
			}
			log.Info("connection is back")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if shut.refused(err) {
				return
			}
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("connection", "subject", subject, "error", err)
		}),
	}
	if cfg.Server != nil {
		return append(opts, nats.InProcessServer(cfg.Server.natsd), nats.NoReconnect())
	}
	return append(opts,
		nats.CustomReconnectDelay(shut.pause),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
	)
}

// Actor is who the connection speaks as.
func (c *Conn) Actor() proto.Actor { return c.actor }

// Connected reports whether the connection stands now.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Close ends the connection at once; what was written before is sent.
func (c *Conn) Close() {
	c.nc.Close()
	c.breakHolds()
}

// flush waits until the server has everything that was sent to it.
//
// Neither this package nor its tests call nats.go's Flush, Request or NextMsg:
// they share timers through a pool of the process, and one that was made inside
// a synctest bubble and is used outside of it ends the program. Their forms
// with a context do not.
func (c *Conn) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.nc.FlushWithContext(ctx)
}

// hold has broken called when the connection is lost, also for a moment.
func (c *Conn) hold(what any, broken func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds[what] = broken
}

func (c *Conn) letGo(what any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.holds, what)
}

func (c *Conn) breakHolds() {
	c.mu.Lock()
	broken := slices.Collect(maps.Values(c.holds))
	clear(c.holds)
	c.mu.Unlock()
	for _, tell := range broken {
		tell()
	}
}
