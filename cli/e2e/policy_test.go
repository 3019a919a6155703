//go:build host

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// guest is a pod that asks.
type guest struct {
	at   *machine
	name string
}

// walled holds pods to NetworkPolicies: they start open, are closed, opened for
// some, and open again.
func (f *fleet) walled() {
	one, two := f.all[0], f.all[1]
	f.apply("testdata/walled.yaml")
	f.segno("wait", "-n", "walled", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
	client, stranger := guest{one, "client"}, guest{one, "stranger"}
	near, far := guest{one, "at-one"}, guest{two, "at-two"} // of another namespace
	all := []guest{client, stranger, near, far}
	f.admitted(all...)

	f.apply("testdata/deny.yaml")
	f.admitted()
	for _, m := range f.all {
		if said := f.segno("get", "node", m.name, "-o", `jsonpath={.status.conditions[?(@.type=="NetworkPolicy")].status}`); said != "True" {
			f.Errorf("node %s says %q of its policies", m.name, said)
		}
	}
	f.namesAreFound(client)
	f.startsClosed()

	f.apply("testdata/allow.yaml")
	f.admitted(client, far)
	f.apart(client)
	f.outlasts(two, []guest{client, far}, stranger)
	f.segno("label", "pod", "-n", "walled", "client", "role=stranger", "--overwrite")
	f.admitted(far)
	f.segno("label", "pod", "-n", "walled", "stranger", "role=client", "--overwrite")
	f.admitted(far, stranger)

	f.segno("delete", "networkpolicy", "-n", "walled", "--all")
	f.admitted(all...)
	f.segno("delete", "namespace", "walled")
}

// admitted waits until these guests hear the servers, on their node and another, and
// by Services, and the others nothing.
func (f *fleet) admitted(guests ...guest) {
	f.Helper()
	one, two := f.all[0], f.all[1]
	places := f.servers()
	everybody := []guest{{one, "client"}, {one, "stranger"}, {one, "at-one"}, {two, "at-two"}}
	heard := make([][]string, len(everybody))
	f.await(fmt.Sprintf("of the guests, these are let in: %v", names(guests)), func() bool {
		var asking sync.WaitGroup
		for i, who := range everybody {
			asking.Go(func() { heard[i] = f.visitorIn(who.at, who.name, append([]string{"ask", "tcp"}, places...)...) })
		}
		asking.Wait()
		right := true
		for i, who := range everybody {
			for _, said := range heard[i] {
				in := strings.HasPrefix(said, "walled sees ")
				right = right && in == slices.Contains(guests, who) && (in || strings.HasPrefix(said, "error: "))
			}
		}
		return right
	}, func() string {
		var all strings.Builder
		for i, who := range everybody {
			fmt.Fprintf(&all, "%s on %s hears at %q\n%q\n", who.name, who.at.name, places, heard[i])
		}
		return all.String()
	})
}

func names(guests []guest) (out []string) {
	for _, who := range guests {
		out = append(out, who.name)
	}
	return out
}

// servers is where they are: each by its own address, and by its Service's.
func (f *fleet) servers() (places []string) {
	f.Helper()
	for _, name := range []string{"near", "far"} {
		places = append(places, f.segno("get", "pod", "-n", "walled", name, "-o", "jsonpath={.status.podIP}")+":80",
			f.segno("get", "service", "-n", "walled", name, "-o", "jsonpath={.spec.clusterIP}")+":8080")
	}
	return places
}

// namesAreFound by a pod that may go nowhere: its own node answers.
func (f *fleet) namesAreFound(who guest) {
	f.Helper()
	want := f.segno("get", "service", "-n", "walled", "far", "-o", "jsonpath={.spec.clusterIP}")
	if found := f.visitorIn(who.at, who.name, "find", "host", "far"); found[0] != want {
		f.Errorf("%s finds %q, want %q", who.name, found, want)
	}
}

// apart: what is let in by TCP is not by UDP, nor to another's port, and sees the
// one who comes.
func (f *fleet) apart(who guest) {
	f.Helper()
	far := f.servers()[2]
	seen := f.segno("get", "pod", "-n", "walled", who.name, "-o", "jsonpath={.status.podIP}")
	if heard := f.visitorIn(who.at, who.name, "ask", "tcp", far); heard[0] != "walled sees "+seen {
		f.Errorf("%s hears %q, want that the server sees %s", who.name, heard, seen)
	}
	if heard := f.visitorIn(who.at, who.name, "ask", "udp", far); !strings.HasPrefix(heard[0], "error: ") {
		f.Errorf("%s hears %q by UDP", who.name, heard)
	}
}

// startsClosed: a pod of a namespace where all is denied reaches nobody from its
// first moment on, and nobody it, as they do in another namespace.
func (f *fleet) startsClosed() {
	f.Helper()
	first, second := f.address(f.all[0]), f.address(f.all[1])
	for namespace, want := range map[string]string{"default": "at-", "walled": "error: "} {
		f.started(namespace, "early", fmt.Sprintf(`ask, tcp, "%s:80", "%s:80"`, first, second))
		f.segno("wait", "-n", namespace, "pod/early", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
		for line := range strings.SplitSeq(f.segno("logs", "-n", namespace, "early"), "\n") {
			if !strings.HasPrefix(line, want) {
				f.Errorf("a pod of namespace %s hears at its start: %s", namespace, line)
			}
		}
	}
	for _, now := range []struct{ namespace, long, want string }{{"walled", "5s", "error: "}, {"default", "30s", "late sees " + second}} {
		watched := f.watched(guest{f.all[1], "at-two"}, now.long, f.nextAddresses("two"))
		f.started(now.namespace, "late", `serve, late, "80"`)
		f.segno("wait", "-n", now.namespace, "pod/late", "--for=condition=Ready", "--timeout=60s")
		if heard := watched(); !strings.HasPrefix(heard, now.want) {
			f.Errorf("who watches a pod start in namespace %s hears %q, want %q", now.namespace, heard, now.want)
		}
	}
	f.segno("delete", "pod", "early", "late")
}

func (f *fleet) started(namespace, name, does string) {
	f.Helper()
	f.applyAs("testdata/started.yaml", []string{"-n", namespace}, "NAME", name, "DOES", does)
}

// watched has a guest look at places from now on, and answers how to learn what he
// heard first.
func (f *fleet) watched(who guest, long string, places []string) func() string {
	f.Helper()
	var heard []string
	var watching sync.WaitGroup
	watching.Go(func() { heard = f.visitorIn(who.at, who.name, append([]string{"watch", long}, places...)...) })
	return func() string {
		watching.Wait()
		return strings.Join(heard, " ")
	}
}

// nextAddresses are those that the next pods of a node get.
func (f *fleet) nextAddresses(node string) (places []string) {
	f.Helper()
	var network, last string
	newest := 0
	for address := range strings.FieldsSeq(f.segno("get", "pods", "-A", "--field-selector=spec.nodeName="+node, "-o", "jsonpath={.items[*].status.podIP}")) {
		at := strings.LastIndex(address, ".") + 1
		network, last = address[:at], address[at:]
		newest = max(newest, f.number(last))
	}
	for next := range 4 {
		places = append(places, fmt.Sprintf("%s%d:80", network, newest+1+next))
	}
	return places
}

// outlasts: who is kept out stays out while the agent of the servers' node starts
// again, and the others in.
func (f *fleet) outlasts(m *machine, in []guest, out guest) {
	f.Helper()
	watched := f.watched(out, "6s", f.servers()[2:])
	m.kill()
	f.admitted(in...)
	m.runsAgain(f.cluster)
	if heard := watched(); !strings.HasPrefix(heard, "error: ") {
		f.Errorf("while the agent of node %s started again, %s heard %q", m.name, out.name, heard)
	}
	f.admitted(in...)
}
