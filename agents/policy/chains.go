package policy

import "fmt"

// acquire makes the chain that goes through some policies, unless it is there:
// pods that the same policies select share one.
func (p *Planner) acquire(name string, d Direction, policies []*compiled) {
	p.chains[name]++
	if p.chains[name] > 1 {
		return
	}
	chain := Chain{Direction: d, Closed: true}
	for _, c := range policies {
		of := chainOf(c.name, d)
		chain.Rules = append(chain.Rules, Rule{Jump: of})
		if p.chains[of]++; p.chains[of] == 1 {
			p.write(c, d)
		}
	}
	p.plan.Chains[name] = chain
	p.touched.Chains[name] = struct{}{}
}

// release gives such a chain back, and with its last user what it leads to.
func (p *Planner) release(name string) {
	if p.chains[name]--; p.chains[name] > 0 {
		return
	}
	rules := p.plan.Chains[name].Rules
	p.drop(name)
	for _, r := range rules {
		if p.chains[r.Jump]--; p.chains[r.Jump] == 0 {
			p.forget(p.plan.Chains[r.Jump].Rules)
			p.drop(r.Jump)
		}
	}
}

func (p *Planner) drop(chain string) {
	delete(p.chains, chain)
	delete(p.plan.Chains, chain)
	p.touched.Chains[chain] = struct{}{}
}

// write fills the chain of a policy.
func (p *Planner) write(c *compiled, d Direction) {
	chain := Chain{Direction: d}
	for i := range c.rules[d] {
		chain.Rules = append(chain.Rules, p.rulesOf(&c.rules[d][i], d)...)
	}
	name := chainOf(c.name, d)
	former := p.plan.Chains[name].Rules
	p.plan.Chains[name] = chain
	p.touched.Chains[name] = struct{}{}
	p.forget(former) // last: what both need stays
}

// rulesOf are a rule's peers times its ports.
func (p *Planner) rulesOf(r *rule, d Direction) (out []Rule) {
	peers, ports := r.peers, r.ports
	if r.anyPeer {
		peers = []peer{{}}
	}
	if r.anyPort {
		ports = []port{{}}
	}
	for _, peer := range peers {
		if !r.anyPeer && peer.pods == nil && len(peer.ranges) == 0 {
			continue // all of the block is excepted
		}
		for _, port := range ports {
			one := Rule{Protocol: port.protocol, From: port.from, To: port.to}
			if port.name != "" {
				one = Rule{Named: p.need(withPort(port, d == Ingress))}
			}
			switch {
			case peer.pods != nil:
				one.Peers = p.need(peer.pods)
			case !r.anyPeer:
				one.Blocks = p.block(peer.ranges)
			}
			out = append(out, one)
		}
	}
	return out
}

// forget gives back what rules needed.
func (p *Planner) forget(rules []Rule) {
	for _, r := range rules {
		for _, name := range []string{r.Peers, r.Named} {
			s := p.sets[name]
			if s == nil {
				continue
			}
			if s.users--; s.users == 0 {
				p.end(s)
			}
		}
		if r.Blocks == "" {
			continue
		}
		if p.blocks[r.Blocks]--; p.blocks[r.Blocks] == 0 {
			delete(p.blocks, r.Blocks)
			delete(p.plan.Blocks, r.Blocks)
			p.touched.Blocks[r.Blocks] = struct{}{}
		}
	}
}

// end drops a set. It may be needed again before anybody takes what was touched:
// then with other elements.
func (p *Planner) end(s *podSet) {
	touched := p.touchedSet(s.name)
	for e := range p.plan.Sets[s.name].Elements {
		touched[e] = struct{}{}
	}
	delete(p.sets, s.name)
	delete(p.plan.Sets, s.name)
}

// need answers the name of a set, with all its elements.
func (p *Planner) need(s *podSet) string {
	if is := p.sets[s.name]; is != nil {
		is.users++
		return s.name
	}
	s = &podSet{s.name, s.comment, s.namespace, s.namespaces, s.pods, s.port, s.local, 1}
	p.sets[s.name] = s
	p.plan.Sets[s.name] = Set{Ports: s.port != nil, Comment: s.comment, Elements: map[Element]struct{}{}}
	p.touchedSet(s.name)
	if s.local {
		for address, pod := range p.locals {
			p.put(s, at(pod, address), true)
		}
		return s.name
	}
	for namespace, pods := range p.pods {
		is, known := p.namespaces[namespace]
		if !s.in(namespace, is, known) {
			continue
		}
		for _, pod := range pods {
			p.put(s, pod, true)
		}
	}
	return s.name
}

func (p *Planner) block(ranges []Range) string {
	name := "blocks." + short(fmt.Sprint(ranges))
	if p.blocks[name]++; p.blocks[name] == 1 {
		p.plan.Blocks[name] = ranges
		p.touched.Blocks[name] = struct{}{}
	}
	return name
}

// countAll adds a pod of the cluster to all sets that it is in, or takes it away.
func (p *Planner) countAll(pod *Pod, there bool) {
	is, known := p.namespaces[pod.Name.Namespace]
	for _, s := range p.sets {
		if !s.local && s.in(pod.Name.Namespace, is, known) {
			p.put(s, pod, there)
		}
	}
}

// put adds what a pod is in a set, or takes it away.
func (p *Planner) put(s *podSet, pod *Pod, there bool) {
	elements := p.plan.Sets[s.name].Elements
	for _, e := range s.elements(pod) {
		if there {
			elements[e] = struct{}{}
		} else {
			delete(elements, e)
		}
		p.touchedSet(s.name)[e] = struct{}{}
	}
}

func (p *Planner) touchedSet(name string) map[Element]struct{} {
	if p.touched.Sets[name] == nil {
		p.touched.Sets[name] = map[Element]struct{}{}
	}
	return p.touched.Sets[name]
}
