package commands

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"segno/bus"
	"segno/cli/api"
	"segno/cli/contexts"
	"segno/proto"
)

// client says where requests go. It is the RESTClientGetter of every kubectl
// command: the kubeconfig flags, plus the moment (--at) and the bus.
type client struct {
	*genericclioptions.ConfigFlags
	at      string
	command string // the whole command line, for the log
	// headers adds what kubectl says of itself to requests.
	headers func(http.RoundTripper) http.RoundTripper

	once   sync.Once
	tunnel *tunnel
	err    error
}

func newClient(streams genericiooptions.IOStreams) *client {
	c := &client{}
	c.ConfigFlags = genericclioptions.NewConfigFlags(true).
		WithDiscoveryBurst(300).WithDiscoveryQPS(50).
		WithWarningPrinter(streams).
		WithWrapConfigFn(c.wrap)
	if name := os.Getenv(contexts.EnvContext); name != "" {
		*c.Context = name
	}
	return c
}

func (c *client) addFlags(flags *pflag.FlagSet) {
	c.AddFlags(flags)
	flags.StringVar(&c.at, "at", "", "Read as of a moment in the past: a sequence (1042), a time (2026-11-23T10:00:00Z) or a duration ago (10m)")
}

// checkMoment refuses what is no moment before anything is asked: kubectl's
// discovery would come first, and would not tell why it failed.
func (c *client) checkMoment() error {
	if c.at == "" {
		return nil
	}
	if _, err := api.ParseMoment(c.at, time.Now()); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	return nil
}

// wrap turns a kubeconfig's REST configuration into segno's: the path of the
// moment, the command line as a header, and the bus as transport.
func (c *client) wrap(config *rest.Config) *rest.Config {
	if c.at != "" {
		config.Host = strings.TrimSuffix(config.Host, "/") + "/at/" + url.PathEscape(c.at)
	}
	tun, err := c.openTunnel()
	switch {
	case err != nil:
		config.Transport = failing{err}
		config.TLSClientConfig = rest.TLSClientConfig{}
	case tun != nil:
		tun.apply(config)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return commandHeader{next: c.headers(next), command: c.command}
	})
	return config
}

func (c *client) openTunnel() (*tunnel, error) {
	c.once.Do(func() { c.tunnel, c.err = c.dialTunnel() })
	return c.tunnel, c.err
}

// dialTunnel connects to the bus of the chosen context; nil when it has none
// or --server overrides it.
func (c *client) dialTunnel() (*tunnel, error) {
	if *c.APIServer != "" {
		return nil, nil
	}
	raw, err := c.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	found, err := contexts.BusOf(raw, *c.Context)
	if err != nil || found == nil {
		return nil, err
	}
	conn, err := bus.Connect(context.Background(), bus.ConnectConfig{
		URL: found.URL, CA: found.CA, Seed: found.Seed, Name: found.User, Actor: proto.Actor("user:" + found.User),
	})
	if err != nil {
		return nil, notRunning(found.URL, err)
	}
	return &tunnel{conn: conn, subject: proto.UserDial(found.User)}, nil
}

// notRunning says what to do when nothing answers at the bus of a context.
func notRunning(address string, err error) error {
	runs, listErr := contexts.Runs()
	if listErr == nil {
		for _, run := range runs {
			if run.Alive() && run.Bus != address {
				return fmt.Errorf("connect to %s: %w\nThe cluster %q runs on this machine: try --context %s, or segno config use-context %s", address, err, run.Name, run.Name, run.Name)
			}
		}
	}
	return fmt.Errorf("connect to %s: %w\nIs the cluster running? Start one with: segno up", address, err)
}

// failing answers every request with the reason why there is no connection.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// commandHeader carries the command line into the log, where history shows it.
type commandHeader struct {
	next    http.RoundTripper
	command string
}

// headerCommand is how the API learns what a person typed.
const headerCommand = "Segno-Command"

func (h commandHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(headerCommand, h.command)
	return h.next.RoundTrip(r)
}

// tunnel carries HTTP over the bus.
type tunnel struct {
	conn    *bus.Conn
	subject string

	once   sync.Once
	bridge *bridge
	err    error
}

func (t *tunnel) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return bus.Dial(ctx, t.conn, t.subject)
}

// apply makes plain requests go straight through the tunnel. Streams (exec,
// attach, port-forward) bring their own dialers, which know only proxies:
// for these there is a bridge, opened when first asked for.
func (t *tunnel) apply(config *rest.Config) {
	if host, err := url.Parse(config.Host); err == nil {
		host.Scheme = "http"
		config.Host = host.String()
	}
	config.TLSClientConfig = rest.TLSClientConfig{}
	config.Transport = &http.Transport{DialContext: t.dial, MaxIdleConnsPerHost: 4, DisableCompression: true}
	config.Proxy = func(*http.Request) (*url.URL, error) {
		t.once.Do(func() { t.bridge, t.err = openBridge(t.dial) })
		if t.err != nil {
			return nil, t.err
		}
		return t.bridge.url, nil
	}
}
