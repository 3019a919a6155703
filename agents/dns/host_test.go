//go:build host

package dns

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/resolv"
)

// inside marks the process that has network and mounts of its own.
const inside = "SEGNO_DNSTEST_INSIDE"

// The machine's own resolver and Go's, with a pod's resolv.conf, find what the
// node answers at port 53 of an address that it gets after its DNS has begun.
func TestS7ResolversOfAPodFindNames(t *testing.T) {
	if os.Getenv(inside) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestS7ResolversOfAPodFindNames$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		t.Fatal(err)
	}
	up := newUpstream(t, world)
	s, _ := run(t, Config{Addresses: []netip.AddrPort{place()}, Upstreams: []netip.AddrPort{up.address}})
	at := netip.MustParseAddrPort("10.96.0.10:53")
	for _, network := range []string{"udp", "tcp"} {
		go func() { _ = s.listen(t.Context(), network, at) }()
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: at.Addr().AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrAdd(loopback, address); err != nil {
		t.Fatal(err)
	}
	answers(t, "udp", at)
	answers(t, "tcp", at)

	conf, _ := resolv.Cluster{Servers: []netip.Addr{at.Addr()}}.For(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}})
	useResolvConf(t, conf.String())
	for _, test := range []struct{ database, name, want string }{
		{"ahostsv4", "web", "10.96.0.7"},
		{"ahostsv4", "web.shop", "10.96.0.7"},
		{"ahostsv4", "web.shop.svc.cluster.local", "10.96.0.7"},
		{"ahostsv4", "db-0.db", "10.244.0.5"},
		{"ahostsv4", "outside", "192.0.2.12"},
		{"ahostsv4", "a.example", "192.0.2.10"},
		{"hosts", "10.96.0.7", "web.shop.svc.cluster.local"},
	} {
		out, err := exec.Command("getent", test.database, test.name).CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) {
			t.Errorf("getent %s %s: %v, %s", test.database, test.name, err, out)
		}
	}
	golang := &net.Resolver{PreferGo: true}
	if six, err := golang.LookupNetIP(t.Context(), "ip6", "web"); err != nil || len(six) != 1 || six[0].String() != "fd00:96::7" {
		t.Errorf("IPv6: %v, %v", six, err)
	}
	_, found, err := golang.LookupSRV(t.Context(), "http", "tcp", "web.shop.svc.cluster.local")
	if err != nil || len(found) != 1 || found[0].Port != 80 || found[0].Target != "web.shop.svc.cluster.local." {
		t.Errorf("SRV: %+v, %v", found, err)
	}
}

// useResolvConf lays a file over the machine's, for this process alone.
func useResolvConf(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	place, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount(path, place, "", unix.MS_BIND, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}
