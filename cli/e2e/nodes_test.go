//go:build host

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// fleet is a cluster of machines, the first of which has the control plane.
type fleet struct {
	*cluster
	wire    *wire
	all     []*machine // that are nodes
	outside *machine   // is none
}

// TestS8RealNodesOnOneMachine has two, then three machines: a network namespace and
// an engine each.
func TestS8RealNodesOnOneMachine(t *testing.T) {
	w := newWire(t)
	machines := w.nodes("one", "two", "three")
	f := w.fleet(nil, machines[:2]...)
	f.part("Two", (*fleet).reaches)
	f.all = machines
	machines[2].joins(f.cluster)
	f.settle("three")
	f.part("Three", (*fleet).reaches)
	f.part("S8APartition", (*fleet).partition)
	f.part("S7ACutOffNode", (*fleet).cutOff)
	f.part("S8ANodeThatLeft", (*fleet).leaves)
}

// TestS8RealNodesByHostRoutes has two, without a tunnel.
func TestS8RealNodesByHostRoutes(t *testing.T) {
	w := newWire(t)
	f := w.fleet([]string{"--backend", "host-gw"}, w.nodes("one", "two")...)
	f.part("Two", (*fleet).reaches)
	f.part("S8APartition", (*fleet).partition)
}

// fleet starts a cluster of these machines; all have the flags.
func (w *wire) fleet(flags []string, nodes ...*machine) *fleet {
	w.Helper()
	return w.fleetOf(flags, flags, nodes...)
}

// fleetOf gives flags to the control plane, and to the nodes that join.
func (w *wire) fleetOf(plane, joining []string, nodes ...*machine) *fleet {
	w.Helper()
	f := &fleet{wire: w, all: nodes, outside: w.machine("outside", "192.0.2.200")}
	var names []string
	f.cluster = nodes[0].up(append(plane, "--node-monitor-grace-period", "12s")...)
	for _, m := range nodes {
		names = append(names, m.name)
		if m != nodes[0] {
			m.joins(f.cluster, joining...)
		}
	}
	f.settle(names...)
	f.apply("testdata/names.yaml")
	return f
}

// part is a part of the test under its own name.
func (f *fleet) part(name string, test func(f *fleet)) {
	f.with(name, func(c *cluster) {
		part := *f
		part.cluster = c
		test(&part)
	})
}

// settle waits for nodes, and puts a pod on each that says whom it sees.
func (f *fleet) settle(nodes ...string) {
	f.Helper()
	text, err := os.ReadFile("testdata/echo.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, node := range nodes {
		f.await("node "+node+" is ready", func() bool { return f.ready(node) == "True" })
		if out, status := f.feed("segno", []byte(strings.ReplaceAll(string(text), "NODE", node)), "apply", "-f", "-"); status != 0 {
			f.Fatal(out)
		}
	}
	for _, node := range nodes {
		f.segno("wait", "--for=condition=Ready", "pod/at-"+node, "--timeout=60s")
	}
}

func (f *fleet) apply(file string) {
	f.Helper()
	f.segno("apply", "-f", file)
}

// reaches is what has to be so between the nodes that there are.
func (f *fleet) reaches() {
	f.part("S8PodsSeeEachOther", (*fleet).podsSeeEachOther)
	f.part("S8PodsReachNodes", (*fleet).podsReachNodes)
	f.part("S1ClusterIPs", (*fleet).clusterIPs)
	f.part("S7Names", (*fleet).names)
	f.part("S5TheCoursesService", (*fleet).coursesService)
}

// address is that of the pod on a node.
func (f *fleet) address(m *machine) string {
	f.Helper()
	return f.segno("get", "pod", "at-"+m.name, "-o", "jsonpath={.status.podIP}")
}

// visitor runs one in the pod on a node that says whom it sees.
func (f *fleet) visitor(m *machine, args ...string) []string {
	f.Helper()
	return f.visitorIn(m, "at-"+m.name, args...)
}

// visitorIn runs one in a pod; the engine starts it, as the control plane may be out
// of reach. It answers a line for each that was asked.
func (f *fleet) visitorIn(m *machine, pod string, args ...string) []string {
	f.Helper()
	id := docker(f.T, m.engine, "ps", "-q", "--filter", "label=segno.pod="+pod, "--filter", "label=segno.container=echo")
	return strings.Split(docker(f.T, m.engine, append([]string{"exec", id, "/visitor"}, args...)...), "\n")
}

// hears waits until the pod on a machine hears all that it should: by TCP and UDP,
// at each place, that of the pod there, which sees the address of who asks.
func (f *fleet) hears(m *machine, want map[string]string) {
	f.Helper()
	var places, answers []string
	for place, answer := range want {
		places, answers = append(places, place), append(answers, answer)
	}
	for _, network := range []string{"tcp", "udp"} {
		var heard []string
		f.await(m.name+" hears by "+network, func() bool {
			heard = f.visitor(m, append([]string{"ask", network}, places...)...)
			if !slices.Equal(heard, answers) {
				f.Logf("%s by %s: at %q it hears %q", m.name, network, places, heard)
				return false
			}
			return true
		}, func() string { return fmt.Sprintf("at %q it hears\n%q, want\n%q", places, heard, answers) })
	}
}

func (f *fleet) podsSeeEachOther() {
	for _, from := range f.all {
		want, seen := map[string]string{}, f.address(from)
		for _, to := range f.all {
			want[f.address(to)+":80"] = "at-" + to.name + " sees " + seen
		}
		f.hears(from, want)
	}
}

// podsReachNodes and the world, which sees the node that they come from.
func (f *fleet) podsReachNodes() {
	for _, m := range append(slices.Clone(f.all), f.outside) {
		m.serves()
	}
	for _, from := range f.all {
		want := map[string]string{f.outside.address + ":9000": "outside sees " + from.address}
		for _, to := range f.all {
			if to != from {
				want[to.address+":9000"] = to.name + " sees " + from.address
			}
		}
		f.hears(from, want)
		for _, to := range f.all { // and nodes reach pods
			said := from.visitor("ask", "tcp", f.address(to)+":80")
			if !strings.HasPrefix(said, "at-"+to.name+" sees ") {
				f.Errorf("node %s asks the pod on %s: %s", from.name, to.name, said)
			}
		}
	}
}

// clusterIPs of Services that have one pod each: no packet gets around the way to
// its node.
func (f *fleet) clusterIPs() {
	for _, from := range f.all {
		want, seen := map[string]string{}, f.address(from)
		for _, to := range f.all {
			if to == from { // a pod that comes back to itself sees its node
				continue
			}
			address := f.segno("get", "service", "on-"+to.name, "-o", "jsonpath={.spec.clusterIP}")
			want[address+":80"] = "at-" + to.name + " sees " + seen
		}
		f.hears(from, want)
	}
}

func (f *fleet) names() {
	var addresses, targets []string
	for _, m := range f.all {
		addresses = append(addresses, f.address(m))
		targets = append(targets, "at-"+m.name+".all.default.svc.cluster.local.:80")
	}
	slices.Sort(addresses)
	slices.Sort(targets)
	clusterIP := func(namespace, name string) string {
		return f.segno("get", "service", "-n", namespace, name, "-o", "jsonpath={.spec.clusterIP}")
	}
	mine, other := clusterIP("default", "my-service"), clusterIP("my-ns", "my-service")
	for _, m := range f.all {
		f.finds(m, "host", map[string]string{
			"my-service": mine, "my-service.my-ns": other, "my-service.my-ns.svc.cluster.local": other,
			"all": strings.Join(addresses, " "), "at-" + m.name + ".all": f.address(m),
		})
		f.finds(m, "srv", map[string]string{
			"_http._tcp.my-service.my-ns.svc.cluster.local.": "my-service.my-ns.svc.cluster.local.:82",
			"_http._tcp.my-service":                          "my-service.default.svc.cluster.local.:81",
			"_http._tcp.all":                                 strings.Join(targets, " "),
		})
	}
}

func (f *fleet) finds(m *machine, what string, want map[string]string) {
	f.Helper()
	var names, answers []string
	for name, answer := range want {
		names, answers = append(names, name), append(answers, answer)
	}
	var found []string
	f.await(m.name+" finds names", func() bool {
		found = f.visitor(m, append([]string{"find", what}, names...)...)
		return slices.Equal(found, answers)
	}, func() string { return fmt.Sprintf("for %q it finds\n%q, want\n%q", names, found, answers) })
}

// coursesService is reached by port 32600 of every node, from outside.
func (f *fleet) coursesService() {
	f.apply(courseFile)
	f.apply("testdata/nginx-service.yaml")
	f.segno("rollout", "status", course, "--timeout=60s")
	for _, pods := range []string{"3", "1"} { // with one, all nodes but one have to pass on
		f.segno("scale", course, "--replicas="+pods)
		f.segno("rollout", "status", course, "--timeout=60s")
		for _, m := range f.all {
			f.await("node port 32600 of "+m.name, func() bool {
				said := f.visits(m, 1)
				if !strings.Contains(said, "nginx:1.7.9") {
					f.Logf("with %s pods, port 32600 of %s says %s", pods, m.name, said)
					return false
				}
				return true
			})
			if said := f.visits(m, 10); strings.Count(said, "nginx:1.7.9") != 10 {
				f.Errorf("with %s pods, port 32600 of %s said %s", pods, m.name, said)
			}
		}
	}
	for _, m := range f.all {
		f.gets(m, "http://nginx-service", "nginx:1.7.9")
	}
}

// visits is what the course's node port of a machine says to who comes from outside.
func (f *fleet) visits(m *machine, times int) string {
	f.Helper()
	return f.outside.visitor(append([]string{"get", "page"}, slices.Repeat([]string{"http://" + m.address + ":32600"}, times)...)...)
}

// gets has the pod on a node visit a web server.
func (f *fleet) gets(m *machine, url, want string) {
	f.Helper()
	var page string
	f.await(m.name+" gets "+url, func() bool {
		if page = f.visitor(m, "get", "page", url)[0]; !strings.Contains(page, want) {
			f.Logf("%s gets from %s: %s", m.name, url, page)
			return false
		}
		return true
	}, func() string { return page })
}
