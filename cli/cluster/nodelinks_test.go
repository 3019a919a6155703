package cluster

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"segno/agents/network"
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
