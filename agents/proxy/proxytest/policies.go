package proxytest

import (
	"net"
	"time"
)

func affinity(b *bench) {
	b.sync(b.web("a", "b", "c").nodePorts().sticky(60))
	for _, to := range []string{vipTCP, vipTCP6, at(nodeIP, nodePort)} {
		if got := b.count(b.client, to, 20); len(got) != 1 {
			b.Errorf("%s: one client met %v", to, got)
		}
	}
	if got := b.count(b.node, vipTCP, 10); len(got) != 1 {
		b.Errorf("the node met %v", got)
	}
	first, _, err := b.client.flow(b, vipUDP).ask(patience)
	for range 10 {
		if by, _, err := b.client.flow(b, vipUDP).ask(patience); by != first {
			b.Fatalf("flows of one client met %s and %q, %v", first, by, err)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	// Other changes of the Service do not end it.
	before, _ := b.client.ask(b, "", vipTCP)
	b.set(b.web("a", "b", "c", "x").nodePorts().sticky(60))
	b.sync(b.web("a", "b", "c", "x").nodePorts().sticky(60))
	if got := b.count(b.client, vipTCP, 10); got[before] != 10 {
		b.Errorf("after a backend came, the client of %s met %v", before, got)
	}
	b.set(b.web("a", "b", "c").nodePorts())
	if got := b.count(b.client, vipTCP, 60); len(got) != 3 {
		b.Errorf("after affinity was taken away: %v", got)
	}
}

// affinityEnds: it holds while the client keeps coming, and ends after the
// timeout.
func affinityEnds(b *bench) {
	timeout := time.Second
	if !b.h.Can.Forgets {
		// The kernel forgets a connection that was reset after ten.
		timeout = 11 * time.Second
	}
	b.sync(b.web("a", "b", "c").sticky(int32(timeout / time.Second)))
	come := func() string {
		c, err := b.client.dial("", vipTCP, patience)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		return c.by
	}
	first := come()
	for end := time.Now().Add(timeout * 11 / 10); time.Now().Before(end); time.Sleep(timeout / 20) {
		if by := come(); by != first {
			b.Fatalf("a client that kept coming went from %s to %s", first, by)
		}
	}
	b.until("another backend", 90*time.Second, func() bool {
		time.Sleep(timeout * 13 / 10)
		return come() != first
	})
}

func affinityMoves(b *bench) {
	b.sync(b.web("a", "b").sticky(60))
	first, _ := b.client.ask(b, "", vipTCP)
	left := map[string]string{"a": "b", "b": "a"}[first]
	b.set(b.web(left).sticky(60))
	b.spread("the backend is gone", b.count(b.client, vipTCP, 5), left)
	b.set(b.web("a", "b").sticky(60))
	b.spread("it is back", b.count(b.client, vipTCP, 10), left)
}

// outer: addresses that others lead to this node, given to the Service or chosen
// by its author.
func outer(b *bench) {
	const external, external6 = "198.51.100.7", "2001:db8:2::7"
	web := func(names ...string) *service {
		s := b.web(names...).balanced()
		s.Spec.ExternalIPs = []string{external, external6}
		return s
	}
	b.sync(web("a", "b", "x"))
	for _, ip := range []string{balancer, external, external6} {
		to := at(ip, 80)
		b.spread("outside to "+to, b.count(b.client, to, 45), "a", "b", "x")
		b.spread("a pod to "+to, b.count(b.pods["c"].space, to, 45), "a", "b", "x")
		b.spread("the node to "+to, b.count(b.node, to, 45), "a", "b", "x")
		if by, _, err := b.client.flow(b, at(ip, 53)).ask(patience); err != nil {
			b.Errorf("UDP to %s: %q, %v", ip, by, err)
		}
	}
	b.set(web("b"))
	b.spread("one backend is left", b.count(b.client, at(external, 80), 5), "b")
	less := web("b")
	less.Spec.ExternalIPs = []string{external6}
	b.set(less)
	b.dead("an external address that is gone", at(external, 80))
	b.spread("the other one", b.count(b.client, at(external6, 80), 3), "b")
	less.Status.LoadBalancer.Ingress = nil
	b.set(less)
	b.dead("a load balancer's address that is gone", at(balancer, 80))
	b.spread("the cluster IP", b.count(b.client, vipTCP, 3), "b")
}

func ranges(b *bench) {
	b.sync(b.web("a").balanced(clientIP+"/32", "198.51.100.0/24", "192.0.2.0/29"))
	to := at(balancer, 80)
	if by, _ := b.client.ask(b, clientIP, to); by != "a" {
		b.Errorf("one who may met %q", by)
	}
	b.dropped("one who may not", b.client, otherIP, to)
	if by, _ := b.client.ask(b, otherIP, vipTCP); by != "a" {
		b.Errorf("the cluster IP is for everybody, and met %q", by)
	}
	b.set(b.web("a").balanced("192.0.2.0/24", otherIP+"/32"))
	if by, _ := b.client.ask(b, otherIP, to); by != "a" {
		b.Errorf("one who may now met %q", by)
	}
	b.set(b.web("a").balanced("2001:db8::/32"))
	b.dropped("nobody of the family may", b.client, clientIP, to)
}

func localOutside(b *bench) {
	to := []string{at(nodeIP, nodePort), at(balancer, 80)}
	b.sync(b.web("a", "x", "y").balanced().localOutside())
	for _, address := range to {
		b.spread("outside to "+address, b.count(b.client, address, 10), "a")
		if _, sees := b.client.ask(b, "", address); b.h.Can.KeepsSource && sees != clientIP {
			b.Errorf("the backend sees %s, the client is %s", sees, clientIP)
		}
		if b.h.Can.TellsInside {
			b.spread("a pod to "+address, b.count(b.pods["b"].space, address, 45), "a", "x", "y")
			b.spread("the node to "+address, b.count(b.node, address, 45), "a", "x", "y")
		}
	}
	b.spread("the cluster IP", b.count(b.client, vipTCP, 45), "a", "x", "y")
	b.set(b.web("x", "y").balanced().localOutside())
	for _, address := range to {
		b.dropped("no backend here, "+address, b.client, "", address)
	}
	if b.h.Can.TellsInside {
		b.spread("a pod", b.count(b.pods["b"].space, to[0], 30), "x", "y")
	}
	b.set(b.web("b", "x").balanced().localOutside())
	b.spread("one came", b.count(b.client, to[0], 10), "b")
}

func localInside(b *bench) {
	b.sync(b.web("a", "x").nodePorts().localInside())
	b.spread("cluster IP", b.count(b.pods["b"].space, vipTCP, 10), "a")
	b.spread("node port", b.count(b.client, at(nodeIP, nodePort), 30), "a", "x")
	b.set(b.web("x").nodePorts().localInside())
	b.dropped("no backend here", b.pods["b"].space, "", vipTCP)
}
