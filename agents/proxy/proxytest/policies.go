package proxytest

import (
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
	b.sync(b.web("a", "b", "c").sticky(1))
	first, _ := b.client.ask(b, "", vipTCP)
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if by, _ := b.client.ask(b, "", vipTCP); by != first {
			b.Fatalf("a client that kept coming went from %s to %s", first, by)
		}
	}
	if !b.h.Can.Forgets {
		return
	}
	b.until("another backend", 30*time.Second, func() bool {
		time.Sleep(1300 * time.Millisecond)
		by, _ := b.client.ask(b, "", vipTCP)
		return by != first
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
