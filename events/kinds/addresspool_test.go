package kinds_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

func TestS5AddressPoolsArePeoplesTexts(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.1.240-192.168.1.250,fd00::/120":              "192.168.1.240-192.168.1.250 fd00::1-fd00::ff",
		" 192.0.2.0/30\n198.51.100.7\t,":                      "192.0.2.1-192.0.2.2 198.51.100.7",
		"192.0.2.8/31 192.0.2.10/32 2001:db8::8/127 fd00::/8": "192.0.2.8-192.0.2.9 192.0.2.10 2001:db8::8-2001:db8::9 fd00::1-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		pool, err := kinds.ParseAddressPool(text)
		var got []string
		for _, r := range pool {
			got = append(got, r.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "no addresses", " , ": "no addresses", "here": "want a network such as", "192.0.2.9-": "want a network such as", "192.0.2.1/24": "the network itself is 192.0.2.0/24",
		"192.0.2.9-192.0.2.1": "ends before it begins", "192.0.2.1-fd00::1": "one end is of IPv4", "192.0.2.1-192.0.2.9,192.0.2.9/32": "192.0.2.9 overlaps 192.0.2.1-192.0.2.9",
		"0.0.0.0/0": "which no client can dial", "127.0.0.1": "127.0.0.0/8", "224.0.0.0/24": "224.0.0.0/4", "255.255.255.255": "240.0.0.0/4", "fe80::1": "fe80::/10", "::1": "::/64",
		"fe80::1%eth0": "want plain addresses", "::ffff:192.0.2.1": "want plain addresses", strings.Repeat("192.0.2.1-192.0.2.1,", 2): "overlaps",
	} {
		if pool, err := kinds.ParseAddressPool(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want an error that says %q", text, pool, err, says)
		}
	}
}

func TestS5FreeAddressesAreFoundInOrder(t *testing.T) {
	pool, err := kinds.ParseAddressPool("192.0.2.8-192.0.2.9 fd00::/64 198.51.100.255-198.51.100.255")
	if err != nil {
		t.Fatal(err)
	}
	taken := map[netip.Addr]bool{}
	for _, want := range []string{"192.0.2.8", "192.0.2.9", "198.51.100.255", ""} {
		got, ok := pool.Free(false, func(a netip.Addr) bool { return taken[a] })
		if ok != (want != "") || ok && got.String() != want {
			t.Fatalf("found %s, %t; want %q", got, ok, want)
		}
		taken[got] = true
	}
	if got, ok := pool.Free(true, func(a netip.Addr) bool { return taken[a] }); !ok || got.String() != "fd00::1" {
		t.Errorf("found %s of IPv6", got)
	}
	if !pool.Has(true) || pool.Contains(netip.MustParseAddr("192.0.2.10")) || pool.Contains(netip.MustParseAddr("::ffff:192.0.2.8")) || pool.Contains(netip.Addr{}) {
		t.Error("has what it has not")
	}
}

// A pool that makes no sense is refused by whatever way it comes, and no address
// of it is written to two Services.
func TestS5APoolIsLookedAtAndItsAddressesAreOfOne(t *testing.T) {
	c := newCluster(t)
	system := proto.Resource{Name: "configmaps"}.Key("kube-system", "load-balancer")
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}")
	write := func(key proto.ObjectKey, pool string) error {
		config := &corev1.ConfigMap{Data: map[string]string{"pool": pool}}
		config.Namespace, config.Name = key.Namespace, key.Name
		_, err := c.do(events.Update{Key: key, Object: config, CreateUID: "uid-pool"})
		return err
	}
	c.refused(write(system, "10.244.7.0/24"), `ConfigMap "load-balancer" is invalid: data[pool]: Invalid value: "10.244.7.0/24": `+
		`address pool: 10.244.7.1-10.244.7.254 overlaps 10.244.0.0/16, where the addresses of pods are`)
	if err := write(proto.Resource{Name: "configmaps"}.Key("default", "load-balancer"), "mine"); err != nil {
		t.Errorf("somebody else's ConfigMap: %v", err)
	}
	if err := write(system, "192.0.2.8-192.0.2.9"); err != nil {
		t.Fatal(err)
	}
	if err := write(system, ""); err == nil {
		t.Error("an empty pool was taken")
	}
	address := func(name, ip string) error {
		obj, err := c.view.Get(serviceKey(name))
		if err != nil {
			t.Fatal(err)
		}
		told := events.Copy(obj).(*corev1.Service)
		told.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip}}
		told.Status.Conditions = append(told.Status.Conditions[:0:0], metav1.Condition{Type: kinds.LoadBalancerCondition, Status: metav1.ConditionTrue, Reason: "AddressGiven"})
		_, err = c.do(events.Update{Key: serviceKey(name), Subresource: events.SubStatus, Object: told})
		return err
	}
	for _, name := range []string{"a", "b"} {
		c.service(name, "type: LoadBalancer, ports: [{port: 80}]")
	}
	for i, step := range []struct {
		name, ip string
		refused  bool
	}{{"a", "192.0.2.8", false}, {"b", "192.0.2.8", true}, {"b", "192.0.2.9", false}, {"a", "192.0.2.9", true}, {"a", "192.0.2.8", false}} {
		if err := address(step.name, step.ip); (err != nil) != step.refused || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("the load balancer address %s is that of the Service default/", step.ip)) {
			t.Errorf("step %d: %v", i, err)
		}
	}
}
