//go:build host

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// partition keeps the two newest nodes from each other; the control plane reaches
// both. Then one of them loses its cable.
func (f *fleet) partition() {
	a, b := f.all[len(f.all)-2], f.all[len(f.all)-1]
	f.theWaysAreDue()
	before := f.ways(b)
	if len(f.all) > 2 {
		f.wire.cut(a, b)
		f.hearsNothing(a, f.address(b)+":80")
		f.hears(f.all[0], map[string]string{
			f.address(a) + ":80": "at-" + a.name + " sees " + f.address(f.all[0]), f.address(b) + ":80": "at-" + b.name + " sees " + f.address(f.all[0]),
		})
	}
	b.unplug()
	f.hearsNothing(b, f.address(a)+":80")
	f.finds(b, "host", map[string]string{"at-" + a.name + ".all": f.address(a)}) // by its own DNS
	b.kill()
	f.wire.mend(a, b)
	f.podsSeeEachOther() // without an agent
	b.runsAgain(f.cluster)
	f.await("node "+b.name+" is ready", func() bool { return f.ready(b.name) == "True" })
	f.reachesAgain()
	if after := f.ways(b); after != before {
		f.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// cutOff keeps the second node from the control plane: what it knows serves it on,
// also when its agent dies. Meanwhile the third leaves, and comes back with another
// range of pods, and Services come and go.
func (f *fleet) cutOff() {
	plane, lone, other := f.all[0], f.all[1], f.all[2]
	f.segno("create", "service", "clusterip", "goes", "--tcp=80")
	going := f.segno("get", "service", "goes", "-o", "jsonpath={.spec.clusterIP}")
	f.finds(lone, "host", map[string]string{"goes": going})
	f.wire.cut(plane, lone)
	f.hearsNothing(lone, f.address(plane)+":80")
	f.servedAlone(lone, other)
	lone.kill()
	f.await("its node port without an agent", func() bool { return strings.Contains(f.visits(lone, 1), "nginx:1.7.9") })
	lone.runsAgain(f.cluster)
	f.servedAlone(lone, other)

	f.await("node "+lone.name+" is Unknown", func() bool { return f.ready(lone.name) == "Unknown" })
	former := f.rangeOf(other)
	f.moves(other)
	f.segno("delete", "service", "goes")
	f.segno("create", "service", "clusterip", "comes", "--tcp=80")
	if !strings.Contains(f.ways(lone), former) {
		f.Errorf("the lone node knows already:\n%s", f.ways(lone))
	}
	f.wire.mend(plane, lone)
	f.await("node "+lone.name+" is ready", func() bool { return f.ready(lone.name) == "True" })
	f.reachesAgain()
	f.coursesService()
	f.finds(lone, "host", map[string]string{"comes": f.segno("get", "service", "comes", "-o", "jsonpath={.spec.clusterIP}")})
	if found := f.visitor(lone, "find", "host", "goes.default.svc.cluster.local.")[0]; !strings.Contains(found, "no such host") {
		f.Errorf("a Service that is gone: %s", found)
	}
	for _, m := range f.all {
		f.nothingOf(m, strings.TrimSuffix(former, "0/24"), going)
	}
}

// servedAlone: names, and a Service on the other node, on a node that nobody tells
// anything. Its agent may still be starting.
func (f *fleet) servedAlone(lone, other *machine) {
	f.Helper()
	var heard []string
	want := "at-" + other.name + " sees "
	f.await(lone.name+" is served without a control plane", func() bool {
		heard = f.visitor(lone, "ask", "tcp", "on-"+other.name+":80")
		return strings.HasPrefix(heard[0], want)
	}, func() string { return fmt.Sprintf("it hears %q, want %q", heard, want) })
}

// moves has a node leave and come back with another range of pods.
func (f *fleet) moves(m *machine) {
	f.Helper()
	former := f.rangeOf(m)
	m.kill()
	f.segno("delete", "node", m.name)
	holder := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "holder"}, "spec": {"podCIDR": %q, "podCIDRs": [%[1]q]}}`, former)
	if out, status := f.feed("segno", []byte(holder), "apply", "-f", "-"); status != 0 {
		f.Fatal(out)
	}
	m.joinsAnew(f.cluster)
	for _, pod := range strings.Fields(f.segno("get", "pods", "--field-selector=spec.nodeName="+m.name, "-o", "name")) {
		f.segno("delete", pod, "--wait=false")
	}
	f.await(m.name+" has another range", func() bool { now := f.rangeOf(m); return now != "" && now != former })
	f.segno("wait", "--for=delete", "pod/at-"+m.name, "--timeout=60s")
	f.settle(m.name)
}

// leaves has the newest node go for good.
func (f *fleet) leaves() {
	last := f.all[len(f.all)-1]
	former := f.rangeOf(last)
	last.kill()
	f.segno("delete", "node", last.name)
	f.segno("delete", "pod", "at-"+last.name, "--grace-period=0", "--force")
	f.all = f.all[:len(f.all)-1]
	f.reachesAgain()
	for _, m := range f.all {
		f.nothingOf(m, strings.TrimSuffix(former, "0/24"), last.address+" ")
	}
}

func (f *fleet) reachesAgain() {
	f.Helper()
	f.theWaysAreDue()
	f.podsSeeEachOther()
	f.clusterIPs()
	f.names()
}

// hearsNothing tells that a pod cannot be reached now.
func (f *fleet) hearsNothing(from *machine, place string) {
	f.Helper()
	if said := f.visitor(from, "ask", "tcp", place); !strings.HasPrefix(said[0], "error: ") {
		f.Errorf("through a wire that is cut, the pod on %s hears %s", from.name, said)
	}
}

func (f *fleet) rangeOf(m *machine) string {
	f.Helper()
	cidr, _ := f.try("segno", "get", "node", m.name, "--ignore-not-found", "-o", "jsonpath={.spec.podCIDR}")
	return cidr
}

// ways are a node's routes to the pods of others, and whom its tunnel knows.
func (f *fleet) ways(m *machine) string {
	f.Helper()
	out := map[string]bool{}
	for line := range strings.Lines(f.wire.ip("-n", m.space, "route", "show", "proto", "83")) {
		at := strings.Fields(line)
		out["route "+at[0]+" by "+at[2]] = true
	}
	for line := range strings.Lines(f.wire.ip("-n", m.space, "neigh", "show", "nud", "permanent")) {
		if at := strings.Fields(line); strings.HasPrefix(at[2], "sgx-") {
			out["neighbour "+at[0]] = true
		}
	}
	for line := range strings.Lines(command(f.T, "bridge", "-n", m.space, "fdb", "show")) {
		if _, node, found := strings.Cut(line, " dst "); found {
			out["node "+strings.Fields(node)[0]] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(out)), "\n")
}

// theWaysAreDue waits until every node has the ways to the nodes that there are,
// and no others.
func (f *fleet) theWaysAreDue() {
	f.Helper()
	for _, m := range f.all {
		var due []string
		for _, to := range f.all {
			switch cidr := f.rangeOf(to); {
			case to == m:
			case slices.Contains(f.flags, "host-gw"):
				due = append(due, "route "+cidr+" by "+to.address)
			default:
				gateway := strings.TrimSuffix(cidr, "/24")
				due = append(due, "route "+cidr+" by "+gateway, "neighbour "+gateway, "node "+to.address)
			}
		}
		slices.Sort(due)
		want, have := strings.Join(due, "\n"), ""
		f.await("the ways of "+m.name, func() bool { have = f.ways(m); return have == want },
			func() string { return fmt.Sprintf("it has\n%s\nwant\n%s", have, want) })
	}
}

// nothingOf waits until a node's kernel knows nothing of these addresses.
func (f *fleet) nothingOf(m *machine, addresses ...string) {
	f.Helper()
	var all string
	f.await("nothing of "+strings.Join(addresses, " and ")+" is left on "+m.name, func() bool {
		all = f.wire.ip("-n", m.space, "route", "show", "table", "all") + f.wire.ip("-n", m.space, "neigh", "show", "nud", "permanent") +
			command(f.T, "bridge", "-n", m.space, "fdb", "show") + command(f.T, "nsenter", "--net="+spaceFile(m.space), "nft", "list", "ruleset")
		return !slices.ContainsFunc(addresses, func(a string) bool { return strings.Contains(all, a) })
	}, func() string {
		var left []string
		for line := range strings.Lines(all) {
			if slices.ContainsFunc(addresses, func(a string) bool { return strings.Contains(line, a) }) {
				left = append(left, line)
			}
		}
		return strings.Join(left, "")
	})
}
