package proxy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// book is what is planned for every Service. An address that several want goes
// to one: cluster IPs, which are given out, win over what a Service's author may
// write, then the older Service.
type book struct {
	planned map[types.NamespacedName]plan
	claims  map[Dial][]claim // the winner first
}

// plan is what a Service wants, and how old it is.
type plan struct {
	Rules
	since time.Time
}

type claim struct {
	kind    Kind
	since   time.Time
	service types.NamespacedName
}

func (c claim) compare(o claim) int {
	return cmp.Or(cmp.Compare(c.kind, o.kind), c.since.Compare(o.since), byName(c.service, o.service))
}

func newBook() *book {
	return &book{planned: map[types.NamespacedName]plan{}, claims: map[Dial][]claim{}}
}

// put takes the plan of a Service that is that old, and answers whose rules may
// be others now.
func (b *book) put(rules Rules, since time.Time) []types.NamespacedName {
	before, known := b.planned[rules.Service]
	if known && before.since.Equal(since) && before.Equal(&rules) {
		return nil
	}
	touched := []types.NamespacedName{rules.Service}
	for i := range before.Frontends {
		touched = append(touched, b.release(before.Frontends[i].Dial, rules.Service)...)
	}
	for i := range rules.Frontends {
		f := &rules.Frontends[i]
		touched = append(touched, b.claim(f.Dial, claim{f.Kind, since, rules.Service})...)
	}
	if len(rules.Frontends) == 0 && rules.Health == (Health{}) {
		delete(b.planned, rules.Service)
	} else {
		b.planned[rules.Service] = plan{rules, since}
	}
	slices.SortFunc(touched, byName)
	return slices.Compact(touched)
}

// release answers the others who want the address.
func (b *book) release(dial Dial, service types.NamespacedName) []types.NamespacedName {
	left := slices.DeleteFunc(b.claims[dial], func(c claim) bool { return c.service == service })
	if len(left) == 0 {
		delete(b.claims, dial)
		return nil
	}
	b.claims[dial] = left
	return []types.NamespacedName{left[0].service}
}

func (b *book) claim(dial Dial, c claim) []types.NamespacedName {
	all := append(b.claims[dial], c)
	slices.SortFunc(all, claim.compare)
	b.claims[dial] = all
	if len(all) == 1 {
		return nil
	}
	touched := make([]types.NamespacedName, 0, 2)
	for _, other := range all[:2] { // who has it, and who may have had it
		touched = append(touched, other.service)
	}
	return touched
}

// rules are what a Service gets: what it wants and no other has. The error names
// what another has.
func (b *book) rules(service types.NamespacedName) (Rules, error) {
	planned := b.planned[service].Rules
	planned.Service = service
	bad := flaws{of: service.String()}
	var mine []Frontend
	for i := range planned.Frontends {
		f := &planned.Frontends[i]
		if owner := b.claims[f.Dial][0].service; owner != service {
			bad.add("%s %s: Service %s has it", f.Kind, f.Dial, owner)
			if mine == nil {
				mine = slices.Clone(planned.Frontends[:i])
			}
			continue
		}
		if len(bad.named) > 0 {
			mine = append(mine, *f)
		}
	}
	if len(bad.named) > 0 {
		planned.Frontends = mine
	}
	return planned, bad.err()
}

// state is everything.
func (b *book) state(node Node) State {
	out := State{Inside: node.Pods, Others: node.Others, Services: make([]Rules, 0, len(b.planned))}
	for name := range b.planned {
		if rules, _ := b.rules(name); len(rules.Frontends) > 0 {
			out.Services = append(out.Services, rules)
		}
	}
	slices.SortFunc(out.Services, func(a, b Rules) int { return byName(a.Service, b.Service) })
	return out
}

func (f Failures) add(service types.NamespacedName, err error) {
	if f[service] != nil {
		err = fmt.Errorf("%w; %w", f[service], err)
	}
	f[service] = err
}
