//go:build uml

package ipvs

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

func guard() Guard { return &tables{} }

// tables is the guard where the kernel has no nftables for IP, as user-mode
// Linux: iptables with sets, made anew by their programs at every change.
type tables struct {
	pods []netip.Prefix
	told map[types.NamespacedName]proxy.Rules
	last string // what the sets are: to call programs takes long
}

// family is what the programs are called with.
type family struct {
	restore, name, suffix string
	v6                    bool
}

var ipFamilies = []family{
	{"iptables-legacy-restore", "inet", "4", false},
	{"ip6tables-legacy-restore", "inet6", "6", true},
}

func (g *tables) Sync(_ context.Context, state proxy.State) (proxy.Failures, error) {
	g.pods, g.told = state.Inside, map[types.NamespacedName]proxy.Rules{}
	for i := range state.Services {
		g.told[state.Services[i].Service] = state.Services[i]
	}
	return nil, g.write()
}

func (g *tables) Set(_ context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	for i := range changed {
		g.told[changed[i].Service] = changed[i]
	}
	return nil, g.write()
}

func (g *tables) Remove(context.Context) error {
	for _, f := range ipFamilies {
		if err := feed("*filter\nCOMMIT\n*mangle\nCOMMIT\n*nat\nCOMMIT\n", f.restore); err != nil {
			return err
		}
	}
	g.told, g.last = map[types.NamespacedName]proxy.Rules{}, ""
	return feed("flush\n", "ipset", "restore")
}

func (g *tables) write() error {
	var sets strings.Builder
	for _, f := range ipFamilies {
		for _, name := range []string{"all", "masq", "drop", "none", "limit"} {
			fmt.Fprintf(&sets, "create -exist %s%s hash:ip,port family %s\nflush %s%s\n", name, f.suffix, f.name, name, f.suffix)
		}
		fmt.Fprintf(&sets, "create -exist may%s hash:ip,port,net family %s\nflush may%s\n", f.suffix, f.name, f.suffix)
	}
	for _, name := range slices.SortedFunc(maps.Keys(g.told), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }) {
		rules := g.told[name]
		for i := range rules.Frontends {
			addTo(&sets, &rules.Frontends[i])
		}
	}
	if sets.String() == g.last {
		return nil
	}
	g.last = sets.String()
	if err := feed(g.last, "ipset", "restore"); err != nil {
		return err
	}
	for _, f := range ipFamilies {
		if err := feed(g.rules(f), f.restore); err != nil {
			return err
		}
	}
	return nil
}

func addTo(sets *strings.Builder, f *proxy.Frontend) {
	suffix := "4"
	if f.Dial.Address.Is6() {
		suffix = "6"
	}
	dial := fmt.Sprintf("%s,%s:%d", f.Dial.Address, strings.ToLower(string(f.Dial.Protocol)), f.Dial.Port)
	for _, s := range []struct {
		name string
		in   bool
	}{
		{"all", true},
		{"masq", f.Masquerade},
		{"drop", f.Outside.Drop},
		{"none", len(f.Outside.Backends) == 0 && !f.Outside.Drop},
		{"limit", f.Limited},
	} {
		if s.in {
			fmt.Fprintf(sets, "add %s%s %s\n", s.name, suffix, dial)
		}
	}
	for _, p := range f.Sources {
		fmt.Fprintf(sets, "add may%s %s,%s\n", suffix, dial, p)
	}
}

// rules are those of a family. IPVS takes what the node itself sends before it
// comes to the table filter: what must be refused is led to a port of nobody.
func (g *tables) rules(f family) string {
	text := `*filter
-A INPUT -p tcp -m conntrack --ctstate NEW -m set --match-set none$ dst,dst -j REJECT --reject-with tcp-reset
-A INPUT -m conntrack --ctstate NEW -m set --match-set none$ dst,dst -j REJECT
COMMIT
*nat
-A OUTPUT -p tcp -m set --match-set none$ dst,dst -j REDIRECT --to-ports 1
-A OUTPUT -p udp -m set --match-set none$ dst,dst -j REDIRECT --to-ports 1
@COMMIT
*mangle
-A PREROUTING -m conntrack --ctstate NEW -m set --match-set drop$ dst,dst -j DROP
-A PREROUTING -m conntrack --ctstate NEW -m set --match-set limit$ dst,dst -m set ! --match-set may$ dst,dst,src -j DROP
-A OUTPUT -m conntrack --ctstate NEW -m set --match-set drop$ dst,dst -j DROP
-A OUTPUT -m set --match-set all$ dst,dst -j MARK --set-mark 1
`
	i := slices.IndexFunc(g.pods, func(p netip.Prefix) bool { return p.Addr().Is6() == f.v6 })
	back := ""
	if i >= 0 {
		pods := g.pods[i].String()
		text += "-A PREROUTING ! -s " + pods + " -m set --match-set masq$ dst,dst -j MARK --set-mark 1\n"
		back = "-A POSTROUTING -m mark --mark 1 -j MASQUERADE\n-A POSTROUTING -s " + pods + " -d " + pods + " -m ipvs --ipvs -j MASQUERADE\n"
	}
	return strings.NewReplacer("$", f.suffix, "@", back).Replace(text + "COMMIT\n")
}

func feed(text, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s\n%s", program, err, bytes.TrimSpace(out), text)
	}
	return nil
}
