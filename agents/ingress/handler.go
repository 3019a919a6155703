package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// routes are the table with the pools that it leads to.
type routes struct {
	table *Table
	pools map[Backend]*pool
}

// handler answers requests by the routes of the moment.
type handler struct {
	routes atomic.Pointer[routes]
	proxy  *httputil.ReverseProxy
	secure uint16 // the port of HTTPS
	log    *slog.Logger
	// patience is how long a client may not move while a body goes to or from it.
	patience time.Duration
}

func newHandler(dial Dial, secure uint16, log *slog.Logger) *handler {
	h := &handler{secure: secure, log: log, patience: clientPatience}
	h.routes.Store(&routes{table: NewTable(nil, nil)})
	h.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: newBalancer(dial), BufferPool: &buffers{}, ErrorHandler: h.failed,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		answer(w, http.StatusMethodNotAllowed, "this is no proxy for other hosts")
		return
	}
	now := h.routes.Load()
	target, found := now.table.Match(r.Host, r.URL.Path)
	if !found {
		answer(w, http.StatusNotFound, "no Ingress has a rule for this host and path")
		return
	}
	if target.Secure && r.TLS == nil {
		http.Redirect(w, r, h.secured(r), http.StatusPermanentRedirect)
		return
	}
	p := now.pools[target.Backend]
	if p == nil {
		answer(w, http.StatusServiceUnavailable, "the Ingress leads to what cannot be served")
		return
	}
	patient := newPatient(w, r, h.patience)
	h.proxy.ServeHTTP(patient, r.WithContext(context.WithValue(r.Context(), poolKey{}, p)))
}

// secured is the address of a request by HTTPS.
func (h *handler) secured(r *http.Request) string {
	host := bare(r.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if h.secure != 443 {
		host += ":" + strconv.Itoa(int(h.secure))
	}
	path := r.URL.RequestURI()
	if !strings.HasPrefix(path, "/") {
		path = "/" // OPTIONS *
	}
	return "https://" + host + path
}

// rewrite says who the client is; what it says of itself is not passed on.
func rewrite(r *httputil.ProxyRequest) {
	for name := range r.Out.Header {
		if strings.HasPrefix(name, "X-Forwarded-") {
			delete(r.Out.Header, name)
		}
	}
	r.SetXForwarded()
	r.Out.Host = r.In.Host
	if client, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
		r.Out.Header.Set("X-Real-Ip", client)
	}
	port := "80"
	if r.In.TLS != nil {
		port = "443"
	}
	if local, ok := r.In.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, number, err := net.SplitHostPort(local.String()); err == nil {
			port = number
		}
	}
	r.Out.Header.Set("X-Forwarded-Port", port)
}

// failed answers for a backend that did not.
func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	var slow net.Error
	client, _ := w.(*patient)
	switch {
	case client != nil && client.late.Load():
		w.Header().Set("Connection", "close")
		answer(w, http.StatusRequestTimeout, "the request was not sent in time")
	case r.Context().Err() != nil: // the client went away
		w.WriteHeader(499) //nolint:mnd // as other servers log it; nobody reads it
	case errors.Is(err, errNobody):
		h.log.Debug("no endpoint for a request", "host", r.Host, "error", err)
		answer(w, http.StatusServiceUnavailable, "nobody is ready to answer")
	case errors.As(err, &slow) && slow.Timeout():
		h.log.Debug("a backend did not answer in time", "host", r.Host, "error", err)
		answer(w, http.StatusGatewayTimeout, "the backend did not answer in time")
	default:
		h.log.Debug("a backend did not answer", "host", r.Host, "error", err)
		answer(w, http.StatusBadGateway, "the backend did not answer")
	}
}

// answer says something by itself, and that it does.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "%d %s: %s (segno ingress)\n", status, strings.ToLower(http.StatusText(status)), text) // the client may be gone
}

// update makes routes of a table, and keeps the pools that go on.
func (h *handler) update(table *Table, look func(*pool, Backend)) {
	before := h.routes.Load()
	next := &routes{table: table, pools: make(map[Backend]*pool, len(table.backends))}
	for backend := range table.backends {
		p := before.pools[backend]
		if p == nil {
			p = &pool{}
			look(p, backend)
		}
		next.pools[backend] = p
	}
	h.routes.Store(next)
}

// buffers are lent to copy with.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if lent, ok := b.pool.Get().(*[]byte); ok {
		return *lent
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(lent []byte) { b.pool.Put(&lent) }
