package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"segno/bus"
	"segno/cli/contexts"
	"segno/proto"
)

// client says where requests go. It is the RESTClientGetter of every kubectl
// command: the kubeconfig flags, plus the moment (--at) and the bus.
type client struct {
	*genericclioptions.ConfigFlags
	at      string
	under   string // path of the fork that is asked; "" is the cluster
	command string // the whole command line, for the log
	// headers adds what kubectl says of itself to requests.
	headers func(http.RoundTripper) http.RoundTripper

	// clock is what the server's clock showed last; nil is not known yet.
	clock atomic.Pointer[time.Time]

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
	*c.CacheDir = filepath.Join(contexts.Home(), "cache")
	return c
}

// choose finds a cluster of this machine where nothing says which is meant.
func (c *client) choose() error {
	if *c.Context != "" || *c.APIServer != "" || *c.ClusterName != "" {
		return nil
	}
	raw, err := c.files().Load()
	if err != nil || raw.CurrentContext != "" {
		return nil // an unreadable file is told of when it is needed
	}
	runs, err := contexts.Runs()
	if err != nil {
		return err
	}
	var found []string
	for _, run := range runs {
		if _, known := raw.Contexts[run.Name]; known && run.Alive() {
			found = append(found, run.Name)
		}
	}
	if len(found) == 1 {
		*c.Context = found[0]
	}
	return nil
}

// files are the kubeconfigs that count. ToRawKubeConfigLoader keeps the context
// it was first asked with: it is not for choosing one.
func (c *client) files() *clientcmd.ClientConfigLoadingRules {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = *c.KubeConfig
	return rules
}

// reachable tells early, and in plain words, that there is no cluster to ask:
// discovery would try again and again, and log each time.
func (c *client) reachable() error {
	if _, err := c.openTunnel(); err != nil {
		return err
	}
	if *c.APIServer != "" {
		return nil
	}
	raw, err := c.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil // told of where the file is needed
	}
	if len(raw.Clusters) == 0 || *c.Context == "" && *c.ClusterName == "" && raw.CurrentContext == "" {
		return noCluster(slices.Sorted(maps.Keys(raw.Contexts)))
	}
	return nil
}

// noCluster says that no cluster is meant, and which there are: none of them is
// taken unasked.
func noCluster(there []string) error {
	if len(there) == 0 {
		return errors.New("there is no cluster to ask\nStart one with: segno up\nOr name one with --context, --kubeconfig or --server")
	}
	return fmt.Errorf("there is no cluster to ask\nStart one with: segno up\nOr name one with --context, or: segno config use-context NAME; there is %s", strings.Join(there, ", "))
}

// ToDiscoveryClient is kubectl's, once there is a cluster to ask.
func (c *client) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	return c.ConfigFlags.ToDiscoveryClient()
}

// ToRESTMapper is kubectl's, once there is a cluster to ask.
func (c *client) ToRESTMapper() (meta.RESTMapper, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	return c.ConfigFlags.ToRESTMapper()
}

// clients are the typed clients of the cluster.
func (c *client) clients() (*kubernetes.Clientset, error) {
	config, err := c.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func (c *client) addFlags(flags *pflag.FlagSet) {
	c.AddFlags(flags)
	flags.StringVar(&c.at, "at", "", "Read as of a moment in the past: a sequence (1042), a duration ago (10m) or a time (2026-11-23T10:00:00Z, '2026-11-23 10:00:00' as printed, 10:00 of today)")
}

// wrap turns a kubeconfig's REST configuration into segno's: the path of the
// moment, the command line as a header, and the bus as transport.
func (c *client) wrap(config *rest.Config) *rest.Config {
	config.Host = strings.TrimSuffix(config.Host, "/") + c.under
	if c.at != "" {
		config.Host = strings.TrimSuffix(config.Host, "/") + "/at/" + url.PathEscape(c.at)
	}
	tun, err := c.openTunnel()
	if err == nil {
		err = c.reachable()
	}
	switch {
	case err != nil:
		config.Transport = failing{err}
		config.TLSClientConfig = rest.TLSClientConfig{}
	case tun != nil:
		tun.apply(config)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return commandHeader{next: c.headers(next), command: c.command, hear: c.hear}
	})
	return config
}

func (c *client) openTunnel() (*tunnel, error) {
	c.once.Do(func() { c.tunnel, c.err = c.dialTunnel() })
	return c.tunnel, c.err
}

// dialTunnel connects to the bus of the chosen context; nil when it has none,
// when the key to it is not on this machine, or --server overrides it.
func (c *client) dialTunnel() (*tunnel, error) {
	if *c.APIServer != "" {
		return nil, nil
	}
	raw, err := c.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	found, err := contexts.BusOf(raw, *c.Context)
	if err != nil || found == nil || found.Seed == "" {
		return nil, err
	}
	conn, err := bus.Connect(context.Background(), bus.ConnectConfig{
		URL: found.URL, CA: found.CA, Seed: found.Seed, Name: found.User, Actor: proto.UserActor(found.User),
	})
	if err != nil {
		name := *c.Context
		if name == "" {
			name = raw.CurrentContext
		}
		dir, dirErr := contexts.DataDirOf(raw, name)
		if dirErr != nil {
			return nil, dirErr
		}
		return nil, notRunning(name, dir, found.URL, err)
	}
	return &tunnel{conn: conn, subject: proto.UserDial(found.User)}, nil
}

// notRunning says what to do when nothing answers at the bus of a context.
func notRunning(name, dataDir, address string, err error) error {
	hint := "Is it running? Start it with: segno up"
	if dataDir != "" {
		hint += dirFlag(dataDir)
	}
	runs, listErr := contexts.Runs()
	if listErr == nil {
		for _, run := range runs {
			if run.Alive() && run.Bus != address {
				hint = fmt.Sprintf("The cluster %q runs on this machine: try --context %s, or: segno config use-context %s", run.Name, run.Name, run.Name)
			}
		}
	}
	return fmt.Errorf("the cluster %q does not answer: %w\n%s", name, err, hint)
}

// failing answers every request with the reason why there is no connection.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

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
