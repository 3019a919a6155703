package proxytest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// draining: twenty conversations go on while the backends change a hundred times
// below them, and new clients only meet those that there are.
func draining(b *bench) {
	sets := [][]string{{"a", "b", "c"}, {"b", "c"}, {"c"}, {"a"}, {"a", "x"}, {"x", "y"}, {"b"}, {}, {"y", "a", "b"}}
	b.sync(b.web(sets[0]...))
	var (
		talking sync.WaitGroup
		done    = make(chan struct{})
		said    atomic.Int64
	)
	defer talking.Wait()
	end := sync.OnceFunc(func() { close(done) })
	defer end()
	met := map[string]int{}
	for i := range 20 {
		c, err := b.client.dial("", vipTCP, patience)
		if err != nil {
			b.Fatal(err)
		}
		met[c.by]++
		talking.Go(func() {
			defer c.Close()
			for n := 0; ; n++ {
				if err := c.say(fmt.Sprintf("%d: line %d", i, n)); err != nil {
					b.Errorf("conversation %d with %s, line %d: %v", i, c.by, n, err)
					return
				}
				said.Add(1)
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	b.spread("conversations", met, "a", "b", "c")
	for i := range 100 {
		now := sets[i%len(sets)]
		if i%10 == 9 {
			b.sync(b.web(now...))
		} else {
			b.set(b.web(now...))
		}
		if c, err := b.client.dial("", vipTCP, patience); err != nil && len(now) > 0 {
			b.Fatalf("change %d: a new client among %v: %v", i, now, err)
		} else if err == nil && !slices.Contains(now, c.by) {
			b.Errorf("change %d: a new client met %s, there are only %v", i, c.by, now)
		} else if err == nil {
			_ = c.Close()
		}
		// Every change lasts until the conversations went on below it.
		enough := said.Load() + 20
		b.until("the conversations go on", patience, func() bool { time.Sleep(time.Millisecond); return said.Load() >= enough })
	}
}

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
