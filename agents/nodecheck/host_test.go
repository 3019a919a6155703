//go:build host

package nodecheck

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"segno/agents/network"
)

// enter puts the test into a network namespace of its own, with an interface.
func enter(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread goes with the test
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = space.Close() })
	run(t, "ip link set lo up")
	run(t, "ip link add eth0 type veth peer name far")
	run(t, "ip link set far up")
	run(t, "ip link set eth0 up")
	run(t, "ip address add 192.0.2.1/24 dev eth0")
}

// run runs a command in the test's namespace, which its thread is in.
func run(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

func usual() Config {
	return Config{
		Address: netip.MustParseAddr("192.0.2.1"), Backend: network.VXLAN, Port: network.DefaultPort,
		Pods: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, Services: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
		Peers: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
	}
}

// complaints are the checks that did not end well, a line each.
func complaints(findings []Finding) string {
	var out []string
	for _, f := range findings {
		if f.Result != OK {
			out = append(out, fmt.Sprintf("%s %s: %s", f.Result, f.Check, f.Found))
		}
		if (f.Result == Failed) != (f.Result != OK && f.Result != Warning) || f.Found == "" || f.Result == Failed && f.Do == "" {
			out = append(out, fmt.Sprintf("not in plain words: %+v", f))
		}
	}
	return strings.Join(out, "\n")
}

func TestS8NodeCheckFindsNothingWrongWithAGoodMachine(t *testing.T) {
	enter(t)
	for _, backend := range []network.Backend{network.VXLAN, network.HostGW} {
		cfg := usual()
		cfg.Backend = backend
		got := Run(cfg)
		if said := complaints(got); said != "" || !Ready(got) {
			t.Errorf("%s: %s", backend, said)
		}
	}
	links, err := netlink.LinkList()
	if err != nil || len(links) != 3 {
		t.Errorf("the check left something: %d links, %v", len(links), err)
	}
}

func TestS8NodeCheckNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, before string
		change       func(*Config)
		want         string // the one complaint begins so
		fine         bool
	}{
		{name: "a port that is dropped", before: "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0;}'; nft add rule ip f in udp dport 8472 drop", want: "failed firewall: UDP port 8472: chain in of the table f drops it"},
		{name: "a port that is rejected among others", before: "nft add table inet f; nft add chain inet f in '{type filter hook input priority 0;}'; nft add rule inet f in udp dport 8000-9000 reject", want: "failed firewall: UDP port 8472: chain in of the table f drops it"},
		{name: "a wall with a hole for SSH", before: "nft add table inet f; nft add chain inet f in '{type filter hook input priority 0; policy drop;}'; nft add rule inet f in ct state established,related accept; nft add rule inet f in iifname lo accept; nft add rule inet f in tcp dport 22 accept", want: "failed firewall: UDP port 8472: chain in of the table f drops it"},
		{name: "a wall of iptables", before: "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -A INPUT -p udp --dport 53 -j ACCEPT; iptables-nft -P INPUT DROP", want: "failed firewall: UDP port 8472: chain INPUT of the table filter drops it"},
		{name: "a chain behind a jump", before: "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0;}'; nft add chain ip f more; nft add rule ip f in iifname eth0 jump more; nft add rule ip f more udp dport 8472 reject", want: "failed firewall: UDP port 8472: chain in of the table f drops it"},
		{name: "a wall with a hole for us", before: "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0; policy drop;}'; nft add rule ip f in udp dport 8472 accept", fine: true},
		{name: "a wall with a hole for us by iptables", before: "iptables-nft -A INPUT -p udp --dport 8472 -j ACCEPT; iptables-nft -P INPUT DROP", fine: true},
		{name: "a wall with a hole for some", before: "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0; policy drop;}'; nft add rule ip f in ip saddr 192.0.2.0/24 accept", fine: true},
		{name: "another port is dropped", before: "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0;}'; nft add rule ip f in udp dport 4789 drop", fine: true},
		{name: "Docker's policy", before: "iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables-nft -P FORWARD DROP", want: "failed firewall: forwarding: chain FORWARD of the table filter drops it"},
		{name: "Docker's policy with a hole for us", before: "iptables-nft -A FORWARD -i sg+ -j ACCEPT; iptables-nft -P FORWARD DROP", fine: true},
		{name: "pods' range is taken", before: "ip address add 10.244.7.1/24 dev eth0", change: func(c *Config) { c.Asked = true }, want: "failed pod range 10.244.0.0/16: this machine has 10.244.7.1/24 on interface eth0"},
		{name: "the usual range is taken", before: "ip address add 10.244.7.1/24 dev eth0", want: "warning pod range 10.244.0.0/16: this machine has 10.244.7.1/24 on interface eth0"},
		{name: "Services' range is taken", before: "ip route add 10.96.3.0/24 dev eth0", want: "failed service range 10.96.0.0/16: this machine has the route to 10.96.3.0/24 by interface eth0"},
		{name: "ranges within each other", change: func(c *Config) {
			c.Asked, c.Services = true, []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}
		}, want: "failed ranges: the addresses of Services 10.244.0.0/24 (--service-cidr) and of pods 10.244.0.0/16 (--pod-network-cidr) overlap"},
		{name: "the usual range within Services'", change: func(c *Config) { c.Services = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")} }, want: "warning ranges: the addresses of Services"},
		{name: "ways of another family", change: func(c *Config) {
			c.Backend, c.Pods = network.HostGW, append(c.Pods, netip.MustParsePrefix("fd01::/48"))
		}, want: "failed ways to fd01::/48: host-gw cannot lead fd01::/48 by the address 192.0.2.1 of another family; --backend=vxlan can"},
		{name: "VXLAN for another family", change: func(c *Config) { c.Pods = append(c.Pods, netip.MustParsePrefix("fd01::/48")) }, fine: true},
		{name: "no such address", change: func(c *Config) { c.Address = netip.MustParseAddr("192.0.2.77") }, want: "failed node address: no interface has 192.0.2.77"},
		{name: "loopback", change: func(c *Config) { c.Address = netip.MustParseAddr("127.0.0.1") }, want: "failed node address: 127.0.0.1 is this machine's only to itself"},
		{name: "a small MTU", before: "ip link set eth0 mtu 1300", want: "failed node address: 192.0.2.1 on eth0, MTU 1300; pods get 1280"},
		{name: "a router between", before: "ip route add default via 192.0.2.254", change: func(c *Config) {
			c.Backend, c.Peers = network.HostGW, []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		}, want: "failed node 198.51.100.1: it is behind the router 192.0.2.254"},
		{name: "no way", change: func(c *Config) { c.Peers = []netip.Addr{netip.MustParseAddr("198.51.100.1")} }, want: "failed node 198.51.100.1: no route leads there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			enter(t)
			run(t, c.before)
			cfg := usual()
			if c.change != nil {
				c.change(&cfg)
			}
			got := Run(cfg)
			said := complaints(got)
			if c.fine && said != "" || !c.fine && (strings.Contains(said, "\n") || !strings.HasPrefix(said, c.want)) {
				t.Errorf("%q, want %q", said, c.want)
			}
			if Ready(got) != (c.fine || strings.HasPrefix(c.want, "warning")) {
				t.Errorf("ready: %t", Ready(got))
			}
		})
	}
}

// TestS8NodeCheckSaysWhatHelps: what it says lets packets through that chain when a
// person does it.
func TestS8NodeCheckSaysWhatHelps(t *testing.T) {
	for name, before := range map[string]string{
		"forwarding": "nft add table inet f; nft add chain inet f way '{type filter hook forward priority 0; policy drop;}'",
		"port":       "nft add table ip f; nft add chain ip f in '{type filter hook input priority 0; policy drop;}'",
		"iptables":   "iptables-nft -P FORWARD DROP; iptables-nft -P INPUT DROP",
	} {
		t.Run(name, func(t *testing.T) {
			enter(t)
			run(t, before)
			helped := 0
			for _, f := range Run(usual()) {
				if _, does, found := strings.Cut(f.Do, ": "); found && f.Result == Failed {
					does, _, _ = strings.Cut(does, " (")
					run(t, strings.ReplaceAll(does, "iptables ", "iptables-nft "))
					helped++
				}
			}
			if said := complaints(Run(usual())); said != "" || helped == 0 {
				t.Errorf("after %d things that were to help: %s", helped, said)
			}
		})
	}
}

func TestS8NodeCheckNamesAPortThatAnotherProgramHas(t *testing.T) {
	enter(t)
	listener, err := net.ListenPacket("udp4", ":8472")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := Run(usual())
	if said := complaints(got); !strings.Contains(said, "failed UDP port 8472: another program has it") {
		t.Error(said)
	}
}
