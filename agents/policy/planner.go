package policy

import (
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// longest name of a chain that says whose it is; the kernel takes 255 bytes.
const longest = 200

// Planner keeps a Plan up to date. What a change of one pod costs depends on the
// policies, not on other pods. It is not safe for concurrent use.
type Planner struct {
	plan    Plan
	touched Touched

	policies   map[string]map[string]*compiled // by namespace and name
	namespaces map[string]labels.Set
	pods       map[string]map[string]*Pod // of the cluster, by namespace and name
	owners     map[netip.Addr]*Pod        // who has an address: the newest that was told
	locals     map[netip.Addr]*Pod        // of this node
	chains     map[string]int             // users of each chain
	sets       map[string]*podSet
	blocks     map[string]int // users of each
}

// NewPlanner answers one that knows nobody.
func NewPlanner() *Planner {
	return &Planner{
		plan: newPlan(), touched: newTouched(),
		policies: map[string]map[string]*compiled{}, namespaces: map[string]labels.Set{}, pods: map[string]map[string]*Pod{},
		owners: map[netip.Addr]*Pod{}, locals: map[netip.Addr]*Pod{},
		chains: map[string]int{}, sets: map[string]*podSet{}, blocks: map[string]int{},
	}
}

// Plan as it is now; it changes with the planner.
func (p *Planner) Plan() *Plan { return &p.plan }

// Policed says that there is a policy.
func (p *Planner) Policed() bool { return len(p.policies) > 0 }

// Take answers what changed since the last call.
func (p *Planner) Take() Touched {
	out := p.touched
	p.touched = newTouched()
	return out
}

// SetPolicy takes a policy as it is now; nil is gone. The error names what makes
// no sense in it; the rest is in force, and so are all others.
func (p *Planner) SetPolicy(name types.NamespacedName, policy *networkingv1.NetworkPolicy) error {
	var next *compiled
	var err error
	if policy != nil {
		next, err = compile(policy)
	}
	former := p.policies[name.Namespace][name.Name]
	switch {
	case next != nil && p.policies[name.Namespace] == nil:
		p.policies[name.Namespace] = map[string]*compiled{name.Name: next}
	case next != nil:
		p.policies[name.Namespace][name.Name] = next
	case former == nil:
		return err
	default:
		if delete(p.policies[name.Namespace], name.Name); len(p.policies[name.Namespace]) == 0 {
			delete(p.policies, name.Namespace)
		}
	}
	if next != nil {
		p.rewrite(next)
	}
	for address, pod := range p.locals {
		if pod.Name.Namespace == name.Namespace && (former.selects(pod) || next.selects(pod)) {
			p.assess(address)
		}
	}
	return err
}

// rewrite changes the chains of a policy that are in use.
func (p *Planner) rewrite(c *compiled) {
	for d := range Direction(2) {
		if p.chains[chainOf(c.name, d)] > 0 {
			p.write(c, d)
		}
	}
}

// SetNamespace takes a namespace's labels; nil labels with there false is gone.
func (p *Planner) SetNamespace(name string, is map[string]string, there bool) {
	former, was := p.namespaces[name]
	if was == there && labels.Equals(former, is) {
		return
	}
	if there {
		p.namespaces[name] = is
	} else {
		delete(p.namespaces, name)
	}
	for _, s := range p.sets {
		before, now := s.in(name, former, was), s.in(name, is, there)
		if before == now {
			continue
		}
		for _, pod := range p.pods[name] {
			p.put(s, pod, now)
		}
	}
}

// SetPod takes a pod of the cluster as it is now; nil is gone. An address that
// another one had is no longer that one's.
func (p *Planner) SetPod(name types.NamespacedName, pod *Pod) {
	former := p.pods[name.Namespace][name.Name]
	if former != nil && pod != nil && former.equal(pod) {
		return
	}
	if former != nil {
		p.countAll(former, false)
		if delete(p.pods[name.Namespace], name.Name); len(p.pods[name.Namespace]) == 0 {
			delete(p.pods, name.Namespace)
		}
		for _, a := range former.Addresses {
			if p.owners[a] == former {
				delete(p.owners, a)
			}
		}
	}
	if pod == nil {
		return
	}
	for _, a := range pod.Addresses {
		if other := p.owners[a]; other != nil && other != pod {
			p.strip(other, a)
		}
		p.owners[a] = pod
	}
	if p.pods[name.Namespace] == nil {
		p.pods[name.Namespace] = map[string]*Pod{}
	}
	p.pods[name.Namespace][name.Name] = pod
	p.countAll(pod, true)
}

// strip takes an address from a pod of which the end was not told yet.
func (p *Planner) strip(pod *Pod, address netip.Addr) {
	p.countAll(pod, false)
	less := *pod
	less.Addresses = slices.DeleteFunc(slices.Clone(pod.Addresses), func(a netip.Addr) bool { return a == address })
	for _, a := range less.Addresses {
		p.owners[a] = &less
	}
	p.pods[pod.Name.Namespace][pod.Name.Name] = &less
	p.countAll(&less, true)
}

// SetLocal says who has an address on this node; nil is nobody.
func (p *Planner) SetLocal(address netip.Addr, pod *Pod) {
	former := p.locals[address]
	for _, s := range p.sets {
		if !s.local {
			continue
		}
		if former != nil {
			p.put(s, at(former, address), false)
		}
		if pod != nil {
			p.put(s, at(pod, address), true)
		}
	}
	if pod == nil {
		delete(p.locals, address)
	} else {
		p.locals[address] = pod
	}
	p.assess(address)
}

// at is a pod as far as it has one address.
func at(pod *Pod, address netip.Addr) *Pod {
	one := *pod
	one.Addresses = []netip.Addr{address}
	return &one
}

// assess isolates an address of this node as the policies say.
func (p *Planner) assess(address netip.Addr) {
	pod := p.locals[address]
	for d := range Direction(2) {
		next, policies := "", p.selecting(pod, d)
		if len(policies) > 0 {
			next = d.String() + "-of." + short(strings.Join(namesOf(policies, d), " "))
		}
		former := p.plan.Isolated[d][address]
		if next == former {
			continue
		}
		p.touched.Isolated[d][address] = struct{}{}
		if next == "" {
			delete(p.plan.Isolated[d], address)
		} else {
			p.plan.Isolated[d][address] = next
			p.acquire(next, d, policies)
		}
		if former != "" {
			p.release(former)
		}
	}
}

// selecting are the policies that isolate a pod in a direction, in order.
func (p *Planner) selecting(pod *Pod, d Direction) (out []*compiled) {
	if pod == nil {
		return nil
	}
	for _, c := range p.policies[pod.Name.Namespace] {
		if c.isolates[d] && c.selects(pod) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *compiled) int { return strings.Compare(a.name.Name, b.name.Name) })
	return out
}

func namesOf(policies []*compiled, d Direction) (out []string) {
	for _, c := range policies {
		out = append(out, chainOf(c.name, d))
	}
	return out
}

// chainOf is the name of a policy's chain.
func chainOf(policy types.NamespacedName, d Direction) string {
	name := d.String() + "." + policy.Namespace + "/" + policy.Name
	if len(name) > longest {
		return d.String() + "./" + short(name)
	}
	return name
}
