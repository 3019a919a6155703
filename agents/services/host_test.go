//go:build host

package services

import (
	"context"
	"log/slog"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/proxy"
	"segno/agents/proxy/ipvs"
	"segno/agents/proxy/proxytest"
	"segno/proto"
)

// TestMain has the tests run in a network namespace of their own.
func TestMain(m *testing.M) { proxytest.Main(m) }

const nowhere = "10.96.7.7"

// serving runs Services with one Service, until it is stopped; what it says comes
// over a channel.
func serving(t *testing.T, options Options) (said <-chan Status, stop func()) {
	t.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: nowhere, ClusterIPs: []string{nowhere}, Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}},
	}
	body, err := service.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	known := &catalog.Catalog{}
	if err := known.Apply(&proto.WantPod{Key: catalog.Services.Key("shop", "web"), Body: body}); err != nil {
		t.Fatal(err)
	}
	told := make(chan Status, 100)
	s, err := New(Config{
		Options: options, Catalog: known, Node: func() proxy.Node { return proxy.Node{Name: "n1"} }, Told: func(s Status) { told <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx) // what ended it is the test
	}()
	return told, func() { cancel(); <-ended }
}

// heard waits for the status with a reason.
func heard(t *testing.T, said <-chan Status, reason string) Status {
	t.Helper()
	late := time.After(10 * time.Second)
	last := Status{}
	for {
		select {
		case last = <-said:
			if last.Reason == reason {
				return last
			}
		case <-late:
			t.Fatalf("nothing of %s, but %+v", reason, last)
		}
	}
}

// there is what the kernel has of ours.
func there(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ip link set lo up; nft list tables; ip -o address show dev lo; ip route show table local proto 83").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestS5OneNodeServesANetworkNamespace: another one waits, takes over soon after the
// first has ended, and removes what that one's mode left.
func TestS5OneNodeServesANetworkNamespace(t *testing.T) {
	there(t)
	place := netip.MustParseAddr("10.96.0.10")
	first, stop := serving(t, Options{Mode: NFTables, DNS: []netip.Addr{place}})
	if s := heard(t, first, "NFTables"); !s.Served {
		t.Errorf("%+v", s)
	}
	second, end := serving(t, Options{Mode: Userspace, DNS: []netip.Addr{place}})
	defer end()
	if s := heard(t, second, "AnotherNodeServes"); s.Served || s.Message == "" {
		t.Errorf("%+v", s)
	}
	if err := Remove(t.Context()); err != nil || !strings.Contains(there(t), "table ip segno") {
		t.Errorf("what another node needs: %s, %v", there(t), err)
	}
	finds(t, place)
	stop()
	if is := there(t); !strings.Contains(is, "table ip segno") {
		t.Errorf("a node that ends takes with it what the kernel does: %s", is)
	}
	if s := heard(t, second, "Userspace"); !s.Served {
		t.Errorf("%+v", s)
	}
	if is := there(t); strings.Contains(is, "table ip segno\n") {
		t.Errorf("after another mode: %s", is)
	}
	finds(t, place)
	end()
	if err := Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if is := there(t); strings.Contains(is, "segno") || strings.Contains(is, "10.96.") {
		t.Errorf("after the end: %s", is)
	}
}

// finds asks the node's DNS.
func finds(t *testing.T, at netip.Addr) {
	t.Helper()
	question := new(mdns.Msg).SetQuestion("web.shop.svc.cluster.local.", mdns.TypeA)
	var reply *mdns.Msg
	var err error
	for begun := time.Now(); time.Since(begun) < 10*time.Second; {
		if reply, err = mdns.Exchange(question, netip.AddrPortFrom(at, dnsPort).String()); err == nil {
			break
		}
	}
	if err != nil || len(reply.Answer) != 1 || !strings.Contains(reply.Answer[0].String(), nowhere) {
		t.Errorf("%v, %v", reply, err)
	}
}

// TestS5AModeIsTheBestThatTheMachineCanHave, and the reason says what lacks; one
// that was asked for and cannot be had is an error that names the flag.
func TestS5AModeIsTheBestThatTheMachineCanHave(t *testing.T) {
	want, lacking := "IPVS", false
	if _, err := ipvs.New(ipvs.Config{}); err != nil {
		want, lacking = "IPVSUnavailable", true
	}
	_, auto, err := choose(t.Context(), Options{}, slog.New(slog.DiscardHandler))
	if err != nil || auto.Reason != want || !auto.Served || lacking && !strings.Contains(auto.Message, "because better ones cannot be had") {
		t.Errorf("%+v, %v", auto, err)
	}
	_, asked, err := choose(t.Context(), Options{Mode: IPVS}, slog.New(slog.DiscardHandler))
	if lacking && (err == nil || !strings.Contains(err.Error(), "--proxy-mode=ipvs: ") || lacking && !strings.Contains(err.Error(), "(modprobe ip_vs), or take --proxy-mode=auto")) || !lacking && asked.Reason != "IPVS" {
		t.Errorf("%+v, %v", asked, err)
	}
	for mode, reason := range map[Mode]string{NFTables: "NFTables", Userspace: "Userspace"} {
		if _, is, err := choose(t.Context(), Options{Mode: mode}, slog.New(slog.DiscardHandler)); err != nil || is.Reason != reason {
			t.Errorf("%s: %+v, %v", mode, is, err)
		}
	}
}
