package services

import (
	"net/netip"
	"strings"
	"testing"

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
