package dns

import (
	"container/list"
	"strings"
	"sync"
	"time"

	mdns "github.com/miekg/dns"
)

const (
	// longest that an answer of others is kept, and that something is missing.
	longest        = time.Hour
	longestMissing = time.Minute
	// largest answer that is kept, in bytes.
	largest = 4096
)

// key is a question to others.
type key struct {
	name       string // lower case
	kind       uint16
	secure, cd bool // the bits DO and CD
}

// cache keeps answers of others for as long as they say, and the ones used last
// when there are too many. It is safe for concurrent use.
type cache struct {
	size int
	now  func() time.Time

	mu     sync.Mutex
	byKey  map[key]*list.Element
	recent *list.List // of *cached, the one used last in front
}

type cached struct {
	key   key
	reply *mdns.Msg
	from  time.Time
	until time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, now: time.Now, byKey: map[key]*list.Element{}, recent: list.New()}
}

// get answers a copy with what is left of its time.
func (c *cache) get(k key) *mdns.Msg {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.byKey[k]
	if element == nil {
		return nil
	}
	kept := element.Value.(*cached)
	if !now.Before(kept.until) {
		c.drop(element)
		return nil
	}
	c.recent.MoveToFront(element)
	reply := kept.reply.Copy()
	gone := uint32(now.Sub(kept.from) / time.Second)
	for _, rr := range records(reply) {
		h := rr.Header()
		h.Ttl -= min(gone, h.Ttl)
	}
	return reply
}

// put keeps an answer, which nobody changes afterwards.
func (c *cache) put(k key, reply *mdns.Msg) {
	life := lifeOf(reply)
	if life <= 0 || reply.Len() > largest {
		return
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.byKey[k]; before != nil {
		c.drop(before)
	}
	c.byKey[k] = c.recent.PushFront(&cached{key: k, reply: reply, from: now, until: now.Add(life)})
	for c.recent.Len() > c.size {
		c.drop(c.recent.Back())
	}
}

// drop is called with the lock held.
func (c *cache) drop(element *list.Element) {
	c.recent.Remove(element)
	delete(c.byKey, element.Value.(*cached).key)
}

// lifeOf is for how long an answer holds; 0 is not at all. What is missing is
// missing for as long as its zone says.
func lifeOf(reply *mdns.Msg) time.Duration {
	if reply.Truncated || (reply.Rcode != mdns.RcodeSuccess && reply.Rcode != mdns.RcodeNameError) {
		return 0
	}
	if reply.Rcode == mdns.RcodeSuccess && len(reply.Answer) > 0 {
		return min(shortest(records(reply)), longest)
	}
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*mdns.SOA); ok {
			return min(seconds(min(soa.Minttl, soa.Hdr.Ttl)), shortest(records(reply)), longestMissing)
		}
	}
	return 0
}

func shortest(of []mdns.RR) time.Duration {
	life := longest
	for _, rr := range of {
		life = min(life, seconds(rr.Header().Ttl))
	}
	return life
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// records are all of a message that have a time to live.
func records(m *mdns.Msg) []mdns.RR {
	var out []mdns.RR
	for _, section := range [][]mdns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype != mdns.TypeOPT {
				out = append(out, rr)
			}
		}
	}
	return out
}

// spell writes the name in an answer as the question had it: some clients make
// its case a secret.
func spell(reply *mdns.Msg, name string) {
	for _, section := range [][]mdns.RR{reply.Answer, reply.Ns} {
		for _, rr := range section {
			if h := rr.Header(); strings.EqualFold(h.Name, name) {
				h.Name = name
			}
		}
	}
}
