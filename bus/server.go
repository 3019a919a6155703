package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// maxPayload is the largest NATS message: an envelope of proto.MaxEnvelope as
// a CloudEvent in base64, with room.
const maxPayload = 8 << 20

// handshake is how many seconds a client may take to get in: a thousand nodes
// that come back at once take turns.
const handshake = 15

// ServerConfig says how the embedded server runs. The zero value of every
// optional field is the default.
type ServerConfig struct {
	Name         string        // shown in logs; "segno"
	StoreDir     string        // of JetStream; required unless Memory
	Memory       bool          // nothing lasts: streams live in memory
	Listen       string        // host:port, port 0 picks one; "" accepts in-process connections only
	Elsewhere    bool          // another port of the host will do when that of Listen is taken
	TLS          *tls.Config   // for Listen
	Authority    []byte        // PEM of the CA, shown with the server's certificate to those who know its fingerprint only
	SyncInterval time.Duration // of the log's files; 1 s
	Identities   *Identities   // who may connect; a new, empty registry
	// Late says that Identities are added after the start. Whoever is refused until
	// Acquainted is called may be one of them, and is not told of.
	Late bool
	Log  *slog.Logger
}

// Server is an embedded nats-server with JetStream.
type Server struct {
	natsd      *natsd.Server // once started, the one that did
	opts       *natsd.Options
	elsewhere  bool
	identities *Identities
	own        Credential // the control plane's, made anew at each start
	memory     bool
	scratch    string // store folder of a memory server, removed at the end
	logger     *logger
	started    chan struct{} // closed when Run has finished starting, well or not
	failed     error         // why not; read after started
}

// NewServer checks the configuration and prepares the server; Run starts it.
func NewServer(cfg ServerConfig) (*Server, error) {
	s := &Server{identities: cfg.Identities, memory: cfg.Memory, elsewhere: cfg.Elsewhere, started: make(chan struct{})}
	if s.identities == nil {
		s.identities = NewIdentities()
	}
	s.logger = &logger{log: orDefault(cfg.Log)}
	s.logger.early.Store(cfg.Late)
	own, err := NewCredential("system:bus")
	if err != nil {
		return nil, err
	}
	s.own = own
	if s.opts, err = s.options(cfg); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		s.clean()
		return nil, err
	}
	return s, nil
}

func (s *Server) prepare() error {
	server, err := natsd.NewServer(s.opts)
	if err != nil {
		return fmt.Errorf("prepare the NATS server: %w", err)
	}
	server.SetLoggerV2(s.logger, false, false, false)
	s.identities.serve(server, s.own.Public)
	s.natsd = server
	return nil
}

func (s *Server) options(cfg ServerConfig) (*natsd.Options, error) {
	opts := &natsd.Options{
		ServerName:                 cfg.Name,
		DontListen:                 cfg.Listen == "",
		JetStream:                  true,
		StoreDir:                   cfg.StoreDir,
		JetStreamMaxMemory:         1 << 50, // the disk and the memory are the limits, not a guess about them
		JetStreamMaxStore:          1 << 60,
		SyncInterval:               cfg.SyncInterval,
		MaxPayload:                 maxPayload,
		MaxPending:                 256 << 20,
		NoSigs:                     true,
		AuthTimeout:                handshake,
		PingInterval:               10 * time.Second, // a node without power is noticed within half a minute
		MaxPingsOut:                2,
		CustomClientAuthentication: s.identities,
		AlwaysEnableNonce:          true,
	}
	if opts.ServerName == "" {
		opts.ServerName = "segno"
	}
	if opts.SyncInterval == 0 {
		opts.SyncInterval = time.Second
	}
	if cfg.TLS != nil {
		var err error
		if opts.TLSConfig, err = withAuthority(cfg.TLS, cfg.Authority); err != nil {
			return nil, err
		}
		opts.TLSTimeout = handshake
	}
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: %w", cfg.Listen, err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: port: %w", cfg.Listen, err)
		}
		opts.Host, opts.Port = host, int(number)
		if number == 0 {
			opts.Port = natsd.RANDOM_PORT
		}
	}
	switch {
	case cfg.Memory:
		dir, err := os.MkdirTemp("", "segno-bus-")
		if err != nil {
			return nil, fmt.Errorf("scratch folder of a memory server: %w", err)
		}
		s.scratch, opts.StoreDir = dir, dir
	case cfg.StoreDir == "":
		return nil, errors.New("bus server: StoreDir is needed unless Memory is set")
	}
	return opts, nil
}

// Run starts the server and blocks until ctx ends; then it stops cleanly.
func (s *Server) Run(ctx context.Context) error {
	defer s.clean()
	s.failed = s.start()
	if s.elsewhere && errors.Is(s.failed, syscall.EADDRINUSE) {
		s.opts = s.opts.Clone() // the first server still has the old ones
		s.opts.Port = natsd.RANDOM_PORT
		if s.failed = s.prepare(); s.failed == nil {
			s.failed = s.start()
		}
	}
	close(s.started)
	if s.failed != nil {
		return fmt.Errorf("start the NATS server: %w", s.failed)
	}
	<-ctx.Done()
	s.stop()
	return nil
}

// start leaves nothing running when it fails.
func (s *Server) start() error {
	s.natsd.Start()
	err := s.logger.fatal()
	if err == nil && !s.natsd.JetStreamEnabled() {
		err = errors.New("JetStream did not start")
	}
	if err != nil {
		s.stop()
	}
	return err
}

func (s *Server) stop() {
	s.natsd.Shutdown()
	s.natsd.WaitForShutdown()
}

func (s *Server) clean() {
	if s.scratch != "" {
		_ = os.RemoveAll(s.scratch)
	}
}

// Ready waits until the server accepts connections, or answers why it will not.
func (s *Server) Ready(ctx context.Context) error {
	select {
	case <-s.started:
		return s.failed
	case <-ctx.Done():
		return fmt.Errorf("wait for the NATS server: %w", ctx.Err())
	}
}

// Addr is where the server listens; nil when it accepts only in-process
// connections. Call it after Ready.
func (s *Server) Addr() net.Addr {
	if addr := s.natsd.Addr(); addr != nil {
		return addr
	}
	return nil
}

// Acquainted says that Identities are all there are: from now on it is told who is
// refused.
func (s *Server) Acquainted() { s.logger.early.Store(false) }

// Identities is the registry of those who may connect.
func (s *Server) Identities() *Identities { return s.identities }

// Connect opens an in-process connection of the control plane, which may do
// everything. name is shown in the server's list of connections.
func (s *Server) Connect(name string) (*Conn, error) {
	return Connect(context.Background(), ConnectConfig{Server: s, Name: name, Actor: s.own.Actor, Seed: s.own.Seed})
}

// wanted reports whether anyone listens on the subject.
func (s *Server) wanted(subject string) bool {
	return s.natsd.GlobalAccount().SubscriptionInterest(subject)
}

// streamDir is where the server keeps a stream that is not in memory.
func (s *Server) streamDir(stream string) string {
	return filepath.Join(s.natsd.StoreDir(), natsd.DEFAULT_GLOBAL_ACCOUNT, "streams", stream)
}

// asideDir is where damaged files of streams are kept.
func (s *Server) asideDir() string {
	return filepath.Dir(s.natsd.StoreDir())
}

func orDefault(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
