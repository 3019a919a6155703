package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// askedWithin is how long anybody may take to ask, and to hear the answer.
	askedWithin = 10 * time.Second
	// mostAsked bytes of a question's header are read.
	mostAsked = 8 << 10
)

// health answers load balancers, on a port of each Service that wants it.
type health struct {
	logger *slog.Logger
	of     map[types.NamespacedName]*checked
}

// checked is one Service's answer.
type checked struct {
	port   uint16
	local  atomic.Int64
	server *http.Server
}

func newHealth(logger *slog.Logger) *health {
	return &health{logger: logger, of: map[types.NamespacedName]*checked{}}
}

// set makes the answer for a Service what it should be.
func (h *health) set(ctx context.Context, service types.NamespacedName, want Health) error {
	have := h.of[service]
	if have != nil && have.port != want.Port {
		_ = have.server.Close()
		delete(h.of, service)
		have = nil
	}
	if want.Port == 0 {
		return nil
	}
	if have == nil {
		var err error
		if have, err = h.open(ctx, service, want.Port); err != nil {
			return err
		}
		h.of[service] = have
	}
	have.local.Store(int64(want.Local))
	return nil
}

func (h *health) open(ctx context.Context, service types.NamespacedName, port uint16) (*checked, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, fmt.Errorf("answer health checks of Service %s on node port %d: %w", service, port, err)
	}
	c := &checked{port: port}
	c.server = &http.Server{
		Handler: c.handler(service), ReadTimeout: askedWithin, WriteTimeout: askedWithin, MaxHeaderBytes: mostAsked, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug),
	}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *checked) handler(service types.NamespacedName) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		local := c.local.Load()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Load-Balancing-Endpoint-Weight", strconv.FormatInt(local, 10))
		if local == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"service":        map[string]string{"namespace": service.Namespace, "name": service.Name},
			"localEndpoints": local,
		})
	})
}

func (h *health) close() {
	for _, c := range h.of {
		_ = c.server.Close()
	}
}
