package services

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/proxy"
)

// TestS7WhatIsWrongIsSaidAtTheStart, not by a proxy that starts and ends over
// and over.
func TestS7WhatIsWrongIsSaidAtTheStart(t *testing.T) {
	dns := []netip.Addr{netip.MustParseAddr("10.96.0.10")}
	for want, options := range map[string]Options{
		"":                             {DNS: dns, Domain: "cluster.example"},
		`cluster domain "no domain"`:   {DNS: dns, Domain: "no domain"},
		`stub domain "corp.example"`:   {DNS: dns, Stubs: map[string][]netip.AddrPort{"corp.example": {netip.MustParseAddrPort("10.96.0.10:53")}}},
		`proxy mode "magic": must be `: {Mode: "magic"},
	} {
		_, err := New(Config{Options: options, Catalog: &catalog.Catalog{}, Node: func() proxy.Node { return proxy.Node{} }})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestS5AddressesOfOtherNodes are theirs, and a name is none.
func TestS5AddressesOfOtherNodes(t *testing.T) {
	node := func(name string, addresses ...string) *corev1.Node {
		out := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, a := range addresses {
			out.Status.Addresses = append(out.Status.Addresses, corev1.NodeAddress{Address: a})
		}
		return out
	}
	got := addressesOf([]*corev1.Node{node("n1", "192.0.2.1"), node("n2", "192.0.2.2", "n2"), node("n3", "2001:db8::3")}, "n1")
	if fmt.Sprint(got) != "[192.0.2.2 2001:db8::3]" {
		t.Errorf("%v", got)
	}
}

func TestS5TroubleIsWhatAPersonIsToLookAt(t *testing.T) {
	for status, want := range map[Status]bool{
		{Served: true, Reason: "IPVS"}:                false,
		{Served: true, Reason: "Userspace"}:           false,
		{Served: true, Reason: "IPVSUnavailable"}:     true,
		{Served: true, Reason: "NFTablesUnavailable"}: true,
		{Reason: "AnotherNodeServes"}:                 false,
		failed(errors.New("no")):                      true,
	} {
		if got := status.Troubled(); got != want {
			t.Errorf("%+v: %t", status, got)
		}
	}
}
