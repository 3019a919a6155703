package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/version"

	"segno/cli/api/discovery"
	"segno/cli/api/openapi"
	"segno/events"
	"segno/proto"
)

// Defaults of the optional fields of Config.
const (
	defaultMaxBody       = 3 << 20 // bytes of a request's body, as kube-apiserver takes
	defaultBookmarkEvery = time.Minute
	defaultWritePatience = 30 * time.Second
)

// Config is what the API is made of. Table and Store are needed; the zero
// value of the rest is a default.
type Config struct {
	Table       *events.Table
	Store       Store
	Nodes       Nodes        // nil: logs, exec and their like answer 503
	History     History      // nil: /apis/history.segno is not served
	Exporter    Exporter     // nil: no export of the logs
	Finder      Finder       // nil: no bisect
	Epochs      Epochs       // nil: the log's streams are not shown
	Checkpoints Checkpoints  // nil: nothing is signed
	Backuper    Backuper     // nil: no backup
	Archives    Archives     // nil: no epoch was archived
	Beginnings  Beginnings   // nil: History, when it is one, else the logs begin with nothing
	Past        Past         // of many objects; nil: History, when it is one, else it is not served
	Causes      Causes       // nil: History, when it is one, else what followed from a change is not served
	Supposer    Supposer     // nil: there are no what-ifs
	Audit       Audit        // nil: requests are not recorded
	Forks       Forks        // nil: there are no forks
	Authorizer  Authorizer   // nil: Masters, and nodes their own things
	Version     version.Info // what /version answers
	// ReadOnly says what is served, where nothing can be changed: the name of an
	// opened incident. "" takes writes.
	ReadOnly string
	// Source begins the source of CloudEvents, which tells them from those of
	// other clusters; "" is proto.SourceUnnamed.
	Source string
	// Ready tells why the cluster cannot serve yet; nil is always ready.
	Ready func() error
	Log   *slog.Logger
	// Now is the clock for ages in tables and for "10m ago".
	Now func() time.Time
	// MaxBody is the largest request body that is read, in bytes.
	MaxBody int64
	// BookmarkEvery is the time between bookmarks on a quiet watch.
	BookmarkEvery time.Duration
	// WritePatience is how long a client of a stream may take nothing of what is
	// written to it: it holds a feed as long.
	WritePatience time.Duration
}

// API is the http.Handler.
type API struct {
	cfg       Config
	log       *slog.Logger
	discovery *discovery.Catalog
	openapi   *openapi.Documents
	encodings *encodings
	relay     *http.Transport // to nodes
}

// New checks the configuration and builds the handler. It starts nothing.
func New(cfg Config) (*API, error) {
	if cfg.Table == nil || cfg.Store == nil {
		return nil, errors.New("new API: a table of kinds and a store are needed")
	}
	if cfg.Authorizer == nil {
		cfg.Authorizer = anyOf{Masters{}, nodeRule{store: cfg.Store, table: cfg.Table}}
	}
	if past, ok := cfg.History.(Past); ok && cfg.Past == nil {
		cfg.Past = past
	}
	if begin, ok := cfg.History.(Beginnings); ok && cfg.Beginnings == nil {
		cfg.Beginnings = begin
	}
	if causes, ok := cfg.History.(Causes); ok && cfg.Causes == nil {
		cfg.Causes = causes
	}
	if cfg.Source == "" {
		cfg.Source = proto.SourceUnnamed
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.BookmarkEvery == 0 {
		cfg.BookmarkEvery = defaultBookmarkEvery
	}
	if cfg.WritePatience == 0 {
		cfg.WritePatience = defaultWritePatience
	}
	a := &API{cfg: cfg, log: cfg.Log, encodings: newEncodings()}
	a.discovery = discovery.New(cfg.Table)
	a.openapi = openapi.New(openapi.Config{Table: cfg.Table, Version: cfg.Version.GitVersion})
	if cfg.Nodes != nil {
		a.relay = nodeTransport(cfg.Nodes)
	}
	return a, nil
}

// headerNow is what the clock shows that ages and "10m ago" count from: in a fork
// and in an opened incident it is another than on the wall.
const headerNow = "Segno-Now"

// ServeHTTP answers one request, whatever happens.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{
		api: a, w: &statusWriter{ResponseWriter: w}, r: r, id: string(uuid.NewUUID()),
		trace: trace{began: time.Now(), original: r.URL},
	}
	header := w.Header()
	header.Set("Audit-Id", c.id)
	header.Set(headerNow, a.cfg.Now().UTC().Format(time.RFC3339Nano))
	header.Set("X-Request-Id", c.id)
	header.Set("Cache-Control", "no-cache, private")
	defer c.recorded()
	defer c.recover()
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// recover turns a panic into an answer, so that one bad request harms no
// other. A panic that asks for the connection to be dropped goes on.
func (c *call) recover() {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
		c.trace.cut = true
		panic(cause)
	}
	c.trace.panicked = true
	c.api.log.Error("request panicked", "id", c.id, "method", c.r.Method, "path", c.r.URL.Path,
		"panic", cause, "stack", string(debug.Stack()))
	c.fail(fmt.Errorf("this request made the server panic; its log has the details under %s", c.id))
}

// serve is the way of a request: who asks, about which moment, about what.
func (c *call) serve() error {
	if rest, ok := strings.CutPrefix(c.r.URL.Path, forkPrefix); ok && c.past == nil {
		return c.enterFork(rest)
	}
	if rest, ok := strings.CutPrefix(c.r.URL.Path, atPrefix); ok {
		if err := c.travel(rest); err != nil {
			return err
		}
	}
	if handler := c.api.public(c.r.URL.Path); handler != nil {
		return handler(c)
	}
	user, ok := UserFrom(c.r.Context())
	if !ok {
		return statusText(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	}
	c.user = user
	if err := c.sameSite(); err != nil {
		return err
	}
	if err := c.impersonated(); err != nil {
		return err
	}
	target, shaped := targetOf(c.r)
	if c.target = target; !shaped {
		return notServed()
	}
	if err := c.authorize(); err != nil {
		return err
	}
	if err := c.writable(); err != nil {
		return err
	}
	if c.target.Resource == "" {
		return c.serveOther()
	}
	return c.serveResource()
}

func (c *call) authorize() error {
	allowed, reason, err := c.api.cfg.Authorizer.Authorize(c.r.Context(), c.user, c.target)
	if err != nil {
		return fmt.Errorf("authorize %s of %s: %w", c.user.Name, c.target.Path, err)
	}
	if !allowed {
		return forbidden(c.user, c.target, reason)
	}
	return nil
}

// newUID and newSuffix draw what Decide, being pure, may not.
func newUID() types.UID { return uuid.NewUUID() }
func newSuffix() string { return rand.String(5) }
