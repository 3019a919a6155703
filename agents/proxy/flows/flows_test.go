package flows

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// dns is a Service with a port of UDP and these backends.
func dns(backends ...string) proxy.Rules {
	var choice proxy.Choice
	for _, b := range backends {
		choice.Backends = append(choice.Backends, proxy.Backend{Address: netip.MustParseAddrPort(b)})
	}
	return proxy.Rules{Service: types.NamespacedName{Namespace: "default", Name: "dns"}, Frontends: []proxy.Frontend{{
		Dial:   proxy.Dial{Protocol: corev1.ProtocolUDP, Address: netip.MustParseAddr("10.96.0.53"), Port: 53},
		Inside: choice, Outside: choice,
	}}}
}

func TestS5FlowsAreLookedAtWhereABackendWent(t *testing.T) {
	const one, two = "10.244.0.1:53", "10.244.0.2:53"
	none := proxy.Rules{Service: dns().Service}
	for _, c := range []struct {
		what          string
		before, after proxy.Rules
		want          string // backends of the frontends that are looked at
	}{
		{"a backend went", dns(one, two), dns(one), "[1]"},
		{"a backend came", dns(one), dns(one, two), "[]"},
		{"the first backend came", dns(), dns(one), "[1]"},
		{"nothing changed", dns(one), dns(one), "[]"},
		{"a new Service", none, dns(one), "[1]"},
		{"a Service went", dns(one), none, "[0]"},
	} {
		touched := Touched(map[types.NamespacedName]proxy.Rules{c.before.Service: c.before}, []proxy.Rules{c.after})
		got := []int{}
		for _, rules := range touched {
			for _, f := range rules.Frontends {
				got = append(got, len(f.Outside.Backends))
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: looks at %v, want %s", c.what, got, c.want)
		}
	}
}

// TestS5AKernelWithoutItsTableIsNoFailure, and that is said once.
func TestS5AKernelWithoutItsTableIsNoFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{{unix.EINVAL, true}, {unix.EPROTONOSUPPORT, true}, {unix.EPERM, false}, {unix.ENOBUFS, false}} {
		var said bytes.Buffer
		err := c.err
		k := Kernel{
			Logger: slog.New(slog.NewTextHandler(&said, nil)),
			delete: func(netlink.InetFamily, netlink.CustomConntrackFilter) error { return err },
		}
		for range 3 {
			if got := k.End([]proxy.Rules{dns()}); (got == nil) != c.want {
				t.Errorf("%v: %v", c.err, got)
			}
			if got := k.EndOf([]netip.Addr{netip.MustParseAddr("10.244.0.1")}); (got == nil) != c.want {
				t.Errorf("%v, of a pod: %v", c.err, got)
			}
		}
		want := 0
		if c.want {
			want = 1
		}
		if n := strings.Count(said.String(), "nf_conntrack_netlink"); n != want {
			t.Errorf("%v was said %d times", c.err, n)
		}
		err = nil // somebody loads the module
		if got := k.End([]proxy.Rules{dns()}); got != nil || k.lacks.Load() {
			t.Errorf("then: %v", got)
		}
	}
}

func TestS5OnlyFamiliesThatAreMeantAreReadAndOnlyForUDP(t *testing.T) {
	var asked []int
	k := Kernel{delete: func(family netlink.InetFamily, _ netlink.CustomConntrackFilter) error {
		asked = append(asked, int(family))
		return nil
	}}
	tcp := dns()
	tcp.Frontends[0].Dial.Protocol = corev1.ProtocolTCP
	six := dns()
	six.Frontends[0].Dial.Address = netip.MustParseAddr("fd00:96::35")
	for _, end := range []error{k.End([]proxy.Rules{tcp}), k.EndOf(nil), k.End([]proxy.Rules{six}), k.EndOf([]netip.Addr{netip.MustParseAddr("10.244.0.1")})} {
		if end != nil {
			t.Error(end)
		}
	}
	if want := []int{unix.AF_INET6, unix.AF_INET}; !slices.Equal(asked, want) {
		t.Errorf("read %v, want %v", asked, want)
	}
}
