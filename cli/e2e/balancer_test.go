//go:build host

package e2e

import (
	"strings"
	"time"
)

// balanced has clients come by load balancer addresses. Whoever announces dies.
func (f *fleet) balanced() {
	const kept = "node.kubernetes.io/exclude-from-external-load-balancers"
	f.segno("label", "node", f.all[0].name, kept+"=") // which has the control plane, and is not to die
	f.apply("testdata/balanced.yaml")
	anywhere, nearby := f.external("anywhere"), f.external("nearby")
	if anywhere == nearby {
		f.Fatalf("two Services have the address %s", nearby)
	}
	f.balances(anywhere, "at-one sees ")
	f.balances(nearby, "sees "+f.outside.address)
	for _, m := range f.all {
		f.hears(m, map[string]string{anywhere + ":8000": "at-one sees " + f.sourceAt(m)})
	}

	dies := f.announcer(anywhere)
	if at := f.announcer(nearby); dies == f.all[0] || at == f.all[0] {
		f.Errorf("a node that is kept from load balancers announces: %s %s, %s %s", anywhere, dies.name, nearby, at.name)
	}
	f.keepsItsSource(nearby)
	dies.kill()
	dies.unplug()
	gone := time.Now()
	f.balances(anywhere, "at-one sees ")
	f.balances(nearby, "sees "+f.outside.address)
	f.Logf("%s is reached again %s after %s went", anywhere, time.Since(gone).Round(time.Millisecond), dies.name)
	if now := f.announcer(anywhere); now == dies || now == f.all[0] {
		f.Errorf("after %s went, %s announces %s", dies.name, now.name, anywhere)
	}
	f.keepsItsSource(nearby)

	f.wire.mend(dies)
	dies.runsAgain(f.cluster)
	f.await("the node that is back announces again", func() bool { return f.announcer(anywhere) == dies })
	f.balances(anywhere, "at-one sees ")
	f.balances(nearby, "sees "+f.outside.address)
	f.keepsItsSource(nearby)

	f.segno("delete", "service", "anywhere", "nearby")
	f.await("an address that nobody has is not reached", func() bool { return strings.HasPrefix(f.comes("tcp", anywhere), "error: ") })
	f.segno("label", "node", f.all[0].name, kept+"-")
}

// external is the address that kubectl shows of a Service.
func (f *fleet) external(service string) (address string) {
	f.Helper()
	var shown string
	f.await("service "+service+" has an address", func() bool {
		shown = f.run("kubectl-1.37", "get", "service", service, "--no-headers")
		address = strings.Fields(shown)[3]
		return strings.HasPrefix(address, "192.0.2.24")
	}, func() string { return shown })
	return address
}

// comes is what the client hears at a load balancer address.
func (f *fleet) comes(network, address string) string {
	f.Helper()
	return f.outside.visitor("ask", network, address+":8000")
}

// balances waits until the client hears what it should, by TCP and UDP.
func (f *fleet) balances(address, want string) {
	f.Helper()
	for _, network := range []string{"tcp", "udp"} {
		var heard string
		f.await("the client is answered at "+address+" by "+network, func() bool {
			heard = f.comes(network, address)
			return strings.Contains(heard, want)
		}, func() string { return heard })
	}
}

// keepsItsSource: the pod on the node that announces an address answers, and sees
// the client.
func (f *fleet) keepsItsSource(address string) {
	f.Helper()
	want := "at-" + f.announcer(address).name + " sees " + f.outside.address
	for _, network := range []string{"tcp", "udp"} {
		if heard := f.comes(network, address); heard != want {
			f.Errorf("by %s at %s the client hears %q, want %q", network, address, heard, want)
		}
	}
}

// sourceAt is whom the pod on the first node sees when that on a machine comes to it
// by a Service.
func (f *fleet) sourceAt(m *machine) string {
	f.Helper()
	if m == f.all[0] { // back to itself, by its node
		return strings.TrimSuffix(f.rangeOf(m), "0/24") + "1"
	}
	return f.address(m)
}

// announcer is the machine that answers the client's question for an address.
func (f *fleet) announcer(address string) (answers *machine) {
	f.Helper()
	var table string
	f.await("somebody announces "+address, func() bool {
		f.wire.ip("-n", f.outside.space, "neigh", "flush", "dev", "eth0")
		_ = f.comes("tcp", address) // whatever it hears
		table = f.wire.ip("-n", f.outside.space, "neigh", "show", address)
		for _, m := range f.all {
			if strings.Contains(table, m.hardware()) {
				answers = m
			}
		}
		return answers != nil
	}, func() string { return table })
	return answers
}

// hardware is the machine's address on the wire.
func (m *machine) hardware() string {
	m.Helper()
	_, rest, _ := strings.Cut(m.ip("-n", m.space, "-o", "link", "show", "eth0"), "link/ether ")
	return strings.Fields(rest + " none")[0]
}
