package proxytest

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

func distribution(b *bench) {
	b.sync(b.web("a", "b", "c").nodePorts())
	b.spread("cluster IP", b.count(b.client, vipTCP, 60), "a", "b", "c")
	b.spread("node port", b.count(b.client, at(nodeIP, nodePort), 60), "a", "b", "c")
	b.set(b.web("a", "b").nodePorts())
	b.spread("one backend less", b.count(b.client, vipTCP, 40), "a", "b")
	b.set(b.web("b", "c").nodePorts())
	b.spread("another one", b.count(b.client, vipTCP, 40), "b", "c")
}

func distribution6(b *bench) {
	b.sync(b.web("a", "b", "c").nodePorts())
	b.spread("cluster IP", b.count(b.client, vipTCP6, 60), "a", "b", "c")
	b.spread("node port", b.count(b.client, at(nodeIP6, nodePort), 60), "a", "b", "c")
	b.spread("from a pod", b.count(b.pods["a"].space, vipTCP6, 60), "a", "b", "c")
	b.spread("from the node", b.count(b.node, vipTCP6, 60), "a", "b", "c")
	if by, _, err := b.client.flow(b, vipUDP6).ask(patience); err != nil {
		b.Errorf("UDP: %q, %v", by, err)
	}
}

// fromEverywhere: pods on the backend's own bridge, on the far node, the node
// itself; cluster IP and node port.
func fromEverywhere(b *bench) {
	b.sync(b.web("b", "x").nodePorts())
	for _, to := range []string{vipTCP, at(nodeIP, nodePort)} {
		b.spread("pod to "+to, b.count(b.pods["a"].space, to, 30), "b", "x")
		b.spread("node to "+to, b.count(b.node, to, 30), "b", "x")
	}
	b.spread("the other node to the node port", b.count(b.far, at(nodeIP, nodePort), 30), "b", "x")
}

func hairpin(b *bench) {
	b.sync(b.web("a").nodePorts())
	self := b.pods["a"].space
	for _, to := range []string{vipTCP, vipTCP6, at(nodeIP, nodePort)} {
		b.spread("itself by "+to, b.count(self, to, 3), "a")
	}
	for _, to := range []string{vipUDP, vipUDP6} {
		if by, _, err := self.flow(b, to).ask(patience); by != "a" {
			b.Errorf("itself by UDP %s: %q, %v", to, by, err)
		}
	}
}

func fromOutside(b *bench) {
	b.sync(b.web("a", "b").nodePorts())
	b.spread("node port", b.count(b.client, at(nodeIP, nodePort), 40), "a", "b")
	if _, err := b.client.dial("", at(nodeIP, nodePort+1), patience); !errors.Is(err, syscall.ECONNREFUSED) {
		b.Errorf("a port of no Service: %v", err)
	}
	if by, _, err := b.client.flow(b, at(nodeIP, nodeUDP)).ask(patience); err != nil {
		b.Errorf("UDP node port: %q, %v", by, err)
	}
	b.sync() // the node port goes
	if _, err := b.client.dial("", at(nodeIP, nodePort), patience); !errors.Is(err, syscall.ECONNREFUSED) {
		b.Errorf("after the Service is gone: %v", err)
	}
}

// masquerade: the far node answers the client directly, past the node, unless
// the client appears as the node.
func masquerade(b *bench) {
	b.sync(b.web("x", "y").nodePorts())
	b.spread("cluster IP", b.count(b.client, vipTCP, 20), "x", "y")
	b.spread("node port", b.count(b.client, at(nodeIP, nodePort), 20), "x", "y")
	if _, sees := b.client.ask(b, "", at(nodeIP, nodePort)); sees == clientIP {
		b.Errorf("the far backend sees %s", sees)
	}
	if b.h.Can.KeepsSource { // nothing is lost between pods
		if _, sees := b.pods["a"].ask(b, "", vipTCP); sees != b.pods["a"].ip {
			b.Errorf("the far backend sees pod a as %s", sees)
		}
	}
}

func udp(b *bench) {
	b.sync(b.web("a", "b", "c"))
	got := map[string]int{}
	for range 45 {
		f := b.client.flow(b, vipUDP)
		first, _, err := f.ask(patience)
		if err != nil {
			b.Fatal(err)
		}
		got[first]++
		for range 3 {
			if by, _, err := f.ask(patience); by != first {
				b.Fatalf("a flow went from %s to %s, %v", first, by, err)
			}
		}
	}
	b.spread("flows", got, "a", "b", "c")
}

func udpMoves(b *bench) {
	b.sync(b.web("a"))
	f := b.client.flow(b, vipUDP)
	if by, _, err := f.ask(patience); by != "a" {
		b.Fatalf("%q, %v", by, err)
	}
	b.set(b.web("b"))
	b.until("the flow goes to b", patience, func() bool { by, _, _ := f.ask(brief); return by == "b" })
	b.sync(b.web("c"))
	b.until("the flow goes to c", patience, func() bool { by, _, _ := f.ask(brief); return by == "c" })
	gone := b.web("c")
	gone.Spec.ClusterIP = "None"
	b.set(gone)
	b.until("the flow ends with its Service", patience, func() bool { _, _, err := f.ask(brief); return err != nil })
}

// udpFinds: a client that never stops sending, from before there was a backend.
func udpFinds(b *bench) {
	b.sync(b.web())
	f := b.client.flow(b, vipUDP)
	if by, _, err := f.ask(brief); err == nil {
		b.Fatalf("%s answers", by)
	}
	b.set(b.web("a"))
	b.until("the flow goes to a", patience, func() bool { by, _, _ := f.ask(brief); return by == "a" })
}

// death: a backend is gone before anybody said so.
func death(b *bench) {
	b.sync(b.web("a", "b"))
	c := b.connected("a")
	b.pods["a"].servers[b.pods["a"].ip].die()
	if err := c.say("anybody there?"); err == nil {
		b.Error("a dead backend answers")
	}
	if b.h.Can.TriesNext {
		b.spread("before it is known", b.count(b.client, vipTCP, 20), "b")
	}
	b.set(b.web("b"))
	b.spread("afterwards", b.count(b.client, vipTCP, 20), "b")
	b.pods["a"].listen(b, b.pods["a"].ip)
	b.set(b.web("a", "b"))
	b.spread("and when it is back", b.count(b.client, vipTCP, 40), "a", "b")
}

// connected answers a connection to that pod.
func (b *bench) connected(to string) *call {
	b.Helper()
	for range 100 {
		c, err := b.client.dial("", vipTCP, patience)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		if c.by == to {
			return c
		}
	}
	b.Fatalf("100 connections and none to %s", to)
	return nil
}

func refused(b *bench) {
	b.sync(b.web().nodePorts())
	for what, from := range map[string]*space{"outside": b.client, "a pod": b.pods["a"].space, "the node": b.node} {
		for _, to := range []string{vipTCP, vipTCP6, at(nodeIP, nodePort)} {
			b.refuses("from "+what, from, to)
		}
		// Who sends from the machine that refuses may be told so by the sending.
		if by, _, err := from.flow(b, vipUDP).ask(time.Second); !errors.Is(err, syscall.ECONNREFUSED) && !(from == b.node && errors.Is(err, syscall.EPERM)) {
			b.Errorf("UDP from %s: %q, %v, want a refusal", what, by, err)
		}
	}
	b.set(b.web("a").nodePorts())
	b.spread("once there is one", b.count(b.client, vipTCP, 3), "a")
	b.set(b.web().nodePorts())
	if _, err := b.client.dial("", vipTCP, patience); !errors.Is(err, syscall.ECONNREFUSED) {
		b.Errorf("once it is gone: %v", err)
	}
}

// strays: a port that the Service does not have, until it has it.
func strays(b *bench) {
	s := b.web("a")
	b.sync(s, b.service("other", "10.96.0.11", "fd00:96::11", "b"))
	all := map[string]*space{"outside": b.client, "a pod": b.pods["a"].space, "the node": b.node}
	for what, from := range all {
		for _, to := range []string{at(vip, 81), at(vip6, 81), at("10.96.0.11", 81)} {
			b.refuses("from "+what, from, to)
		}
		if by, _, err := from.flow(b, at(vip, 54)).ask(time.Second); !errors.Is(err, syscall.ECONNREFUSED) && !(from == b.node && errors.Is(err, syscall.EPERM)) {
			b.Errorf("UDP from %s: %q, %v, want a refusal", what, by, err)
		}
	}
	s.Spec.Ports[0].Port = 81
	b.set(s)
	for what, from := range all {
		b.spread("the new port from "+what, b.count(from, at(vip, 81), 3), "a")
		b.refuses("the old port from "+what, from, vipTCP)
	}
	b.spread("the other Service", b.count(b.client, "10.96.0.11:80", 3), "b")
}

// refuses checks that a connection is refused, and at once.
func (b *bench) refuses(what string, from *space, to string) {
	b.Helper()
	began := time.Now()
	if _, err := from.dial("", to, patience); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > time.Second {
		b.Errorf("%s to %s: %v after %s, want a refusal at once", what, to, err, time.Since(began))
	}
}

func removed(b *bench) {
	b.sync(b.web("a").nodePorts())
	b.spread("before", b.count(b.client, vipTCP, 3), "a")
	for range 2 { // what is gone may be removed again
		if err := b.plane.Remove(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.dead("the cluster IP", vipTCP)
	b.dead("the node port", at(nodeIP, nodePort))
	b.sync(b.web("b")) // and it can be had again
	b.spread("after", b.count(b.client, vipTCP, 3), "b")
}

// dead checks that no pod answers.
func (b *bench) dead(what, to string) {
	b.Helper()
	if c, err := b.client.dial("", to, brief); err == nil {
		b.Errorf("%s: %s answers", what, c.by)
		_ = c.Close()
	} else if op := (*net.OpError)(nil); !errors.As(err, &op) {
		b.Errorf("%s: %v", what, fmt.Errorf("want no connection: %w", err))
	}
}
