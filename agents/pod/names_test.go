package pod

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/resolv"
	"segno/agents/runtime"
	"segno/proto"
)

func namingKeeper(t *testing.T, dns resolv.Cluster) (*Keeper, *[]string) {
	t.Helper()
	var notes []string
	k := &Keeper{volumes: Volumes{Dir: t.TempDir()}, cfg: Config{
		DNS: dns, Note: func(n proto.NodeNote) { notes = append(notes, n.Reason+" "+n.Message) },
	}}
	return k, &notes
}

func TestS7ContainersGetNames(t *testing.T) {
	k, notes := namingKeeper(t, resolv.Cluster{
		Servers: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
		Node:    func() resolv.Conf { return resolv.Conf{Servers: []string{"192.0.2.53"}} },
	})
	p := podOf("c")
	p.Spec.Hostname, p.Spec.Subdomain = "db-0", "db"
	p.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.9", Hostnames: []string{"printer", "printer.example"}}}
	sandbox := runtime.Sandbox{Address: netip.MustParseAddr("10.244.0.5"), Second: netip.MustParseAddr("fd00::5")}
	give := func(spec runtime.ContainerSpec, sandbox runtime.Sandbox) map[string]string {
		t.Helper()
		if err := k.giveNames(&spec, p, sandbox); err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		for _, m := range spec.Mounts {
			text, err := os.ReadFile(m.Source)
			if _, twice := texts[m.Target]; err != nil || twice || m.ReadOnly {
				t.Errorf("%+v: %v", m, err)
			}
			texts[m.Target] = string(text)
		}
		return texts
	}
	files := give(runtime.ContainerSpec{}, sandbox)
	if got, want := files["/etc/resolv.conf"], "search d.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"; got != want {
		t.Errorf("resolv.conf: %s", got)
	}
	if got := files["/etc/hosts"]; !strings.Contains(got, "\n10.244.0.5\tdb-0.db.d.svc.cluster.local\tdb-0\nfd00::5\tdb-0.db.d.svc.cluster.local\tdb-0\n192.0.2.9\tprinter\tprinter.example\n") || !strings.Contains(got, "127.0.0.1\tlocalhost\n") {
		t.Errorf("hosts: %s", got)
	}
	// The second container of a pod has the very same files.
	before, err := os.Stat(filepath.Join(k.volumes.of("u"), resolvFile))
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	files = give(runtime.ContainerSpec{Mounts: []runtime.Mount{{Source: own, Target: "/etc//hosts"}}}, sandbox)
	if after, err := os.Stat(filepath.Join(k.volumes.of("u"), resolvFile)); err != nil || !os.SameFile(before, after) || after.Mode().Perm() != 0o644 {
		t.Errorf("not the same file: %v, %v", after, err)
	}
	if len(files) != 2 || files["/etc//hosts"] != "own" {
		t.Errorf("a mount of its own: %v", files)
	}
	p.Spec.HostNetwork = true
	files = give(runtime.ContainerSpec{}, runtime.Sandbox{HostNetwork: true})
	if len(files) != 1 || files["/etc/resolv.conf"] != "nameserver 192.0.2.53\n" {
		t.Errorf("in the node's network: %v", files)
	}
	if len(*notes) != 0 {
		t.Errorf("%v", *notes)
	}
	p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}}
	give(runtime.ContainerSpec{}, sandbox)
	if len(*notes) != 1 || !strings.HasPrefix((*notes)[0], "DNSConfigForming left out of resolv.conf: nameservers beyond the first 3") {
		t.Errorf("%v", *notes)
	}
	if err := k.volumes.remove("u"); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(k.volumes.Dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestS7WithoutADNSOfTheClusterTheEngineDecides(t *testing.T) {
	spec, p := runtime.ContainerSpec{}, podOf("c")
	k, _ := namingKeeper(t, resolv.Cluster{})
	if err := k.giveNames(&spec, p, runtime.Sandbox{Address: netip.MustParseAddr("10.244.0.5")}); err != nil || len(spec.Mounts) != 0 {
		t.Errorf("%+v, %v", spec.Mounts, err)
	}
	k, _ = namingKeeper(t, resolv.Cluster{Servers: []netip.Addr{netip.MustParseAddr("10.96.0.10")}})
	k.volumes.Dir = "" // a simulated node
	if err := k.giveNames(&spec, p, runtime.Sandbox{Address: netip.MustParseAddr("10.244.0.5")}); err != nil || len(spec.Mounts) != 0 {
		t.Errorf("%+v, %v", spec.Mounts, err)
	}
}
