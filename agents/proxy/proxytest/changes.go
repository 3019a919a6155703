package proxytest

// restart: another plane finds what the first one left.
func restart(b *bench) {
	gone := b.service("gone", "10.96.0.11", "fd00:96::11", "a")
	b.sync(gone, b.web("a", "b"))
	c := b.connected("a")
	b.spread("the one that will go", b.count(b.client, "10.96.0.11:80", 3), "a")
	b.stop()
	if b.h.Can.Outlives {
		b.spread("nobody runs the plane", b.count(b.client, vipTCP, 30), "a", "b")
		if err := c.say("still here"); err != nil {
			b.Errorf("nobody runs the plane: %v", err)
		}
	}
	b.plane = b.start()
	b.sync(b.web("b", "c"))
	b.spread("the next plane", b.count(b.client, vipTCP, 30), "b", "c")
	b.dead("the Service that is gone", "10.96.0.11:80")
	b.set(b.web("c"))
	b.spread("and its changes", b.count(b.client, vipTCP, 10), "c")
	if b.h.Can.Outlives {
		if err := c.say("still here"); err != nil {
			b.Errorf("an established connection: %v", err)
		}
	}
}

func others(b *bench) {
	api := b.service("api", "10.96.0.11", "fd00:96::11", "c")
	b.sync(api, b.web("a"))
	b.set(b.web("b"))
	b.spread("the other", b.count(b.client, "10.96.0.11:80", 5), "c")
	web := b.web("b")
	web.Spec.Ports = web.Spec.Ports[1:] // a port goes, the other stays
	b.set(web)
	b.dead("the port that is gone", vipTCP)
	if by, _, err := b.client.flow(b, vipUDP).ask(patience); by != "b" {
		b.Errorf("the port that stays: %q, %v", by, err)
	}
	web.Spec.ClusterIP = "None" // the Service goes
	b.set(web)
	b.spread("the other, at last", b.count(b.client, "10.96.0.11:80", 5), "c")
	api.Spec.ClusterIP, api.Spec.ClusterIPs = vip, []string{vip} // and an address goes from one to the other
	b.set(api)
	b.spread("at its new address", b.count(b.client, vipTCP, 5), "c")
	b.dead("at its old one", "10.96.0.11:80")
}
