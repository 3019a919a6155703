package cluster

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
)

func TestN3PodNetworkIsOneThatIsFree(t *testing.T) {
	usual := netip.MustParsePrefix("10.244.0.0/16")
	on := func(name, prefix string) network.Holder {
		return network.Holder{Prefix: netip.MustParsePrefix(prefix), Interface: name}
	}
	route := func(name, prefix string) network.Holder {
		h := on(name, prefix)
		h.Route = true
		return h
	}
	other := on("sg-0123456789", "10.244.0.1/24")
	for name, c := range map[string]struct {
		asked   string
		fixed   bool
		holders []network.Holder
		want    string
		says    string
	}{
		"the usual one":                    {want: "10.244.0.0/16", holders: []network.Holder{on("eth0", "192.168.1.7/24")}},
		"another cluster has it":           {want: "10.245.0.0/16", holders: []network.Holder{other}},
		"and a third the next":             {want: "10.246.0.0/16", holders: []network.Holder{other, on("x", "10.245.3.1/24")}},
		"a way to a part of it":            {want: "10.245.0.0/16", holders: []network.Holder{route("vpn", "10.244.7.0/24")}},
		"a way to all of it and more":      {want: "10.244.0.0/16", holders: []network.Holder{route("vpn", "10.0.0.0/8")}},
		"the machine itself is in it":      {want: "172.24.0.0/16", holders: []network.Holder{on("eth0", "10.1.2.3/8")}},
		"as asked":                         {asked: "10.3.0.0/16", want: "10.3.0.0/16", holders: []network.Holder{other}},
		"asked for what is in use":         {asked: "10.244.0.0/16", holders: []network.Holder{other}, says: "ip link delete sg-0123456789"},
		"asked for what an interface has":  {asked: "192.168.0.0/16", holders: []network.Holder{on("eth0", "192.168.1.7/24")}, says: "this machine has 192.168.1.7/24 on interface eth0 already"},
		"both families":                    {asked: "10.3.0.0/16,fd00::/48", want: "10.3.0.0/16,fd00::/48", holders: []network.Holder{other}},
		"one of them is in use":            {asked: "10.3.0.0/16,fd00::/48", holders: []network.Holder{on("eth0", "fd00::7/64")}, says: "fd00::/48: this machine has fd00::7/64"},
		"it has one":                       {fixed: true, want: "10.244.0.0/16", holders: []network.Holder{other}},
		"it has this one":                  {fixed: true, asked: "10.244.0.0/16", want: "10.244.0.0/16"},
		"it has one and another is wanted": {fixed: true, asked: "10.3.0.0/16", says: "this cluster's pod network is 10.244.0.0/16"},
		"nothing is free":                  {holders: []network.Holder{on("eth0", "10.1.2.3/8"), on("eth1", "172.16.0.1/12")}, says: "say which is free with --pod-network-cidr"},
	} {
		choice := podNetworkChoice{kept: []netip.Prefix{usual}, fixed: c.fixed, holders: c.holders}
		if c.asked != "" {
			for one := range strings.SplitSeq(c.asked, ",") {
				choice.asked = append(choice.asked, netip.MustParsePrefix(one))
			}
		}
		got, err := choice.decide()
		switch {
		case c.says == "" && (err != nil || listed(got) != c.want):
			t.Errorf("%s: got %s, %v; want %s", name, listed(got), err, c.want)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %s, %v; want an error that says %q", name, listed(got), err, c.says)
		}
	}
}

func TestN3PodNetworkAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2, PodNetwork: "10.3.0.0/16"})
		networks := map[string]bool{}
		list, err := w.client.CoreV1().Nodes().List(w.ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			networks[list.Items[i].Spec.PodCIDR] = true
		}
		if len(networks) != 2 || !networks["10.3.0.0/24"] || !networks["10.3.1.0/24"] {
			t.Errorf("the nodes have %v", networks)
		}
		w.create(web(1, oldImage))
		w.settled(1, oldImage)
		if pods := w.pods(); !strings.HasPrefix(pods[0].Status.PodIP, "10.3.") || pods[0].Status.Phase != corev1.PodRunning {
			t.Errorf("the pod has %s", pods[0].Status.PodIP)
		}
	})
}
