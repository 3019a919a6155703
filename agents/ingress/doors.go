package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"segno/events/ingressrule"
)

const (
	headerPatience = 10 * time.Second
	idlePatience   = 3 * time.Minute
	mostHeader     = 64 << 10
	// farewell is how long requests may go on when the ports are closed.
	farewell = 5 * time.Second
)

// door is a port that clients come to.
type door struct {
	at     netip.AddrPort
	secure bool
}

func (d door) String() string {
	if d.secure {
		return d.at.String() + " (TLS)"
	}
	return d.at.String()
}

// Listen opens a port.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// doors are opened and closed together, each as far as it can be. One goroutine
// opens and closes.
type doors struct {
	all     []door
	listen  Listen
	handler http.Handler
	tls     *tls.Config
	log     *slog.Logger
	// patience is how long a client may take for a handshake, and for the header of
	// a request.
	patience time.Duration
	// whole is the same for all of a request that nobody reads.
	whole time.Duration

	server  *http.Server // nil while closed
	serving sync.WaitGroup

	lost chan struct{} // a port ended by itself

	mu   sync.Mutex
	open map[door]net.Listener
}

// enter opens what is not open yet, and answers why not where it could not.
func (d *doors) enter(ctx context.Context) map[door]error {
	if d.server == nil {
		d.server = d.newServer()
	}
	failed := map[door]error{}
	for _, one := range d.all {
		d.mu.Lock()
		_, open := d.open[one]
		d.mu.Unlock()
		if open {
			continue
		}
		listener, err := d.listen(ctx, "tcp", one.at.String())
		if err != nil {
			failed[one] = err
			continue
		}
		d.mu.Lock()
		if d.open == nil {
			d.open = map[door]net.Listener{}
		}
		d.open[one] = listener
		d.mu.Unlock()
		server := d.server
		d.serving.Go(func() { d.serve(server, one, listener) })
	}
	return failed
}

func (d *doors) newServer() *http.Server {
	var speaks http.Protocols
	speaks.SetHTTP1(true)
	speaks.SetHTTP2(true)
	speaks.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: d.handler, TLSConfig: d.tls, Protocols: &speaks,
		ReadHeaderTimeout: d.patience, ReadTimeout: d.whole, IdleTimeout: idlePatience, MaxHeaderBytes: mostHeader,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
}

// serve ends with its port; one that ends by itself is opened again.
func (d *doors) serve(server *http.Server, one door, listener net.Listener) {
	var err error
	if one.secure {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		d.log.Warn("a port of ingress was lost; it is opened again", "port", one.String(), "error", err)
		defer func() { // once it is not open any more
			select {
			case d.lost <- struct{}{}:
			default: // it is known that one was
			}
		}()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, one)
}

// leave closes the ports. Requests under way have a while to end.
func (d *doors) leave() {
	if d.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		_ = d.server.Close() // the rest ends now
	}
	d.serving.Wait()
	d.server = nil
}

// isOpen tells which doors are.
func (d *doors) isOpen() (open []door) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.all {
		if _, ok := d.open[one]; ok {
			open = append(open, one)
		}
	}
	return open
}

// status says in words how the doors are.
func (d *doors) status(failed map[door]error) Status {
	open := d.isOpen()
	names := make([]string, len(open))
	for i, one := range open {
		names[i] = one.String()
	}
	at := "Ingresses are served at " + strings.Join(names, ", ")
	if len(failed) == 0 {
		return Status{Reached: true, Reason: "Serving", Message: at}
	}
	var wrong []string
	for _, one := range d.all {
		if err := failed[one]; err != nil {
			wrong = append(wrong, inWords(one, err))
		}
	}
	slices.Sort(wrong)
	text := strings.Join(wrong, "; ")
	if len(open) == 0 {
		return Status{Reason: "PortsNotOpen", Message: text}
	}
	return Status{Reached: true, Reason: partly(failed), Message: at + ", but " + text}
}

// partly is the reason while only some doors are open.
func partly(failed map[door]error) string {
	var plain, secure bool
	for one := range failed {
		plain, secure = plain || !one.secure, secure || one.secure
	}
	switch {
	case plain && secure:
		return ingressrule.SomePortsNotOpen
	case secure:
		return ingressrule.HTTPSNotOpen
	default:
		return ingressrule.HTTPNotOpen
	}
}

// inWords says why a port is not open, and what to do.
func inWords(d door, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("port %d of %s is taken by another program (ss -ltnp shows which); it is tried again, or take others with --ingress-http-port and --ingress-https-port",
			d.at.Port(), d.at.Addr())
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("port %d of %s may only be opened by root, or with CAP_NET_BIND_SERVICE; take ports from 1024 on with --ingress-http-port and --ingress-https-port",
			d.at.Port(), d.at.Addr())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine; take others with --ingress-address", d.at.Addr())
	}
	return fmt.Sprintf("port %d of %s is not open: %v", d.at.Port(), d.at.Addr(), err)
}
