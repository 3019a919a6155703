package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"segno/agents/network"
	"segno/agents/proxy/ipvs"
	"segno/agents/services"
)

func TestN1TheNodesNetworkIsRememberedOverRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	for _, c := range []struct {
		asked    nodeLinks
		is, kept string
	}{
		{asked: nodeLinks{}, is: " 0 "},
		{asked: nodeLinks{Backend: network.HostGW, Mode: services.Userspace}, is: "host-gw 0 userspace"},
		{asked: nodeLinks{}, is: "host-gw 0 userspace", kept: "--backend host-gw --proxy-mode userspace"},
		{asked: nodeLinks{Backend: network.VXLAN, Port: 4789, Address: netip.MustParseAddr("192.0.2.1")}, is: "192.0.2.1 vxlan 4789 userspace", kept: "--proxy-mode userspace"},
		{asked: nodeLinks{Mode: services.Auto}, is: "192.0.2.1 vxlan 4789 auto", kept: "--node-ip 192.0.2.1 --backend vxlan --vxlan-port 4789"},
	} {
		pods, mode := PodLinks{Address: c.asked.Address, Backend: c.asked.Backend, Port: c.asked.Port}, c.asked.Mode
		kept, err := recallLinks(dir, &pods, &mode)
		if err != nil || kept != c.kept {
			t.Errorf("asked for %+v: kept %q, want %q, %v", c.asked, kept, c.kept, err)
		}
		got := strings.TrimPrefix(strings.Join([]string{pods.Address.String(), string(pods.Backend), strconv.Itoa(pods.Port), string(mode)}, " "), "invalid IP ")
		if got != c.is {
			t.Errorf("asked for %+v: is %q, want %q", c.asked, got, c.is)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, linksFile), []byte(`{"backend":"pigeons"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var mode services.Mode
	if _, err := recallLinks(dir, &PodLinks{}, &mode); err == nil || !strings.Contains(err.Error(), "pigeons") {
		t.Errorf("nonsense: %v", err)
	}
}

// TestN1ANodeAddressThatTheMachineLacksIsRefused before anything is made, and
// before a token is spent.
func TestN1ANodeAddressThatTheMachineLacksIsRefused(t *testing.T) {
	own, found := network.OwnAddress(ipvs.DefaultLink)
	tries := map[netip.Addr]string{
		{}: "", netip.MustParseAddr("127.0.0.1"): "", netip.MustParseAddr("127.0.0.9"): "",
		netip.MustParseAddr("192.0.2.9"):   "--node-ip 192.0.2.9: no interface has it; give one of this machine's own addresses (ip address)",
		netip.MustParseAddr("2001:db8::9"): "--node-ip 2001:db8::9: no interface has it; give one of this machine's own addresses (ip address)",
	}
	if found {
		tries[own] = ""
	}
	for address, want := range tries {
		_, up := Config{Pods: PodLinks{Address: address}}.complete()
		_, join := JoinConfig{DataDir: t.TempDir(), Pods: PodLinks{Address: address}}.complete()
		for what, err := range map[string]error{"up": up, "join": join} {
			if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
				t.Errorf("%s --node-ip %s: %v, want %q", what, address, err, want)
			}
		}
	}
}

// TestN1WhatListensEverywhereIsDialledAtTheNode, which its certificate is good for.
func TestN1WhatListensEverywhereIsDialledAtTheNode(t *testing.T) {
	node := netip.MustParseAddr("192.0.2.1")
	c := &Cluster{cfg: Config{Pods: PodLinks{Address: node}}}
	for at, want := range map[string]string{
		"0.0.0.0:6443": "192.0.2.1:6443", "[::]:6443": "192.0.2.1:6443", "127.0.0.1:6443": "127.0.0.1:6443", "198.51.100.1:7443": "198.51.100.1:7443",
	} {
		if got := c.dialled(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))); got.String() != want {
			t.Errorf("%s is dialled at %s, want %s", at, got, want)
		}
	}
	if names := c.hostNames(); !slices.Contains(names, "192.0.2.1") {
		t.Errorf("certificate for %v", names)
	}
}
