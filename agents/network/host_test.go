//go:build host

package network

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"segno/agents/runtime"
)

// TestMain also plays a pod: a process in a namespace of its own that listens
// and dials as it is told on its standard input.
func TestMain(m *testing.M) {
	if os.Getenv("SEGNO_TEST_POD") == "" {
		os.Exit(m.Run())
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		verb, address, _ := strings.Cut(in.Text(), " ")
		fmt.Println(play(verb, address))
	}
}

func play(verb, address string) string {
	switch verb {
	case "listen":
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err.Error()
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "from "+conn.RemoteAddr().(*net.TCPAddr).IP.String())
				_ = conn.Close()
			}
		}()
		return "ok"
	case "sink", "echo", "flood", "flow", "flood-end", "bulk", "ask", "try":
		return playMore(verb, address)
	default:
		conn, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		said, _ := io.ReadAll(conn)
		return string(said)
	}
}

// fakePod is a process with nothing but a loopback link.
type fakePod struct {
	t   *testing.T
	pid int
	in  io.Writer
	out *bufio.Scanner
}

func startPod(t *testing.T) *fakePod {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SEGNO_TEST_POD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &fakePod{t, cmd.Process.Pid, in, bufio.NewScanner(out)}
}

func (p *fakePod) tell(text string) string {
	p.t.Helper()
	_, _ = fmt.Fprintln(p.in, text)
	if !p.out.Scan() {
		p.t.Fatalf("pod %d is gone", p.pid)
	}
	return p.out.Text()
}

// enter puts the test into a network namespace of its own, as a machine.
func enter(t *testing.T) {
	t.Helper()
	goruntime.LockOSThread() // never unlocked: the thread goes with the test
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = space.Close() })
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newTestBridge(t *testing.T, name, cidr string, held map[string]netip.Addr) *Bridge {
	t.Helper()
	b, err := NewBridge(Config{Name: name})
	if err == nil {
		err = b.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix(cidr)}, held)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (p *fakePod) attach(b *Bridge, uid string) netip.Addr {
	p.t.Helper()
	addresses, err := b.Allocate(uid)
	if err == nil {
		err = b.Attach(p.t.Context(), uid, runtime.Sandbox{PID: p.pid, Address: addresses[0]}, nil)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return addresses[0]
}

func links(t *testing.T) []string {
	t.Helper()
	all, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range all {
		if strings.HasPrefix(l.Attrs().Name, "sg") {
			out = append(out, l.Attrs().Name)
		}
	}
	return out
}

func TestS8PodsReachEachOtherAndTheirNode(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "", "10.77.0.0/24", nil)
	one, two := startPod(t), startPod(t)
	first, second := one.attach(b, "one"), two.attach(b, "two")
	if first.String() != "10.77.0.2" || second.String() != "10.77.0.3" {
		t.Errorf("addresses %s and %s", first, second)
	}
	if got := one.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	// Seen from inside the other pod its address is the same.
	if got := two.tell("dial 10.77.0.2:80"); got != "from 10.77.0.3" {
		t.Errorf("pod to pod: %s", got)
	}
	if got := play("dial", "10.77.0.2:80"); got != "from 10.77.0.1" {
		t.Errorf("node to pod: %s", got)
	}
	if got := two.tell("listen 127.0.0.1:90"); got != "ok" {
		t.Fatal(got)
	}
	conn, err := b.Dial(t.Context(), runtime.Sandbox{PID: two.pid}, 90)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if said, _ := io.ReadAll(conn); string(said) != "from 127.0.0.1" {
		t.Errorf("forwarded to the loopback: %s", said)
	}
	if _, err := b.Dial(t.Context(), runtime.Sandbox{PID: two.pid}, 91); err == nil {
		t.Error("a port that nobody listens on was reached")
	}
}

// TestS8TheGatewayStaysWhereItIs: pods remember its hardware address, and others
// that come or go must not change it; not that of an earlier version's bridge either.
func TestS8TheGatewayStaysWhereItIs(t *testing.T) {
	enter(t)
	earlier := named("sg7")
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: earlier}); err != nil {
		t.Fatal(err)
	}
	for name, cidr := range map[string]string{"sg7": "10.77.0.0/24", "sg8": "10.78.0.0/24"} {
		b := newTestBridge(t, name, cidr, nil)
		gateway := func() string {
			link, err := netlink.LinkByName(name)
			if err != nil {
				t.Fatal(err)
			}
			return link.Attrs().HardwareAddr.String()
		}
		first := gateway()
		for i := range 3 {
			startPod(t).attach(b, fmt.Sprint(name, i))
			if now := gateway(); now != first {
				t.Errorf("%s: %s became %s when pod %d came", name, first, now, i)
			}
		}
		if err := b.Release(t.Context(), name+"0"); err != nil {
			t.Fatal(err)
		}
		if now := gateway(); now != first {
			t.Errorf("%s: %s became %s when a pod went", name, first, now)
		}
	}
}

func TestARestartedAgentAdoptsLinksAndRemovesOrphans(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "sg7", "10.77.0.0/24", nil)
	one, two := startPod(t), startPod(t)
	first := one.attach(b, "one")
	two.attach(b, "two")
	if got := one.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	before, err := netlink.LinkByName(cableName("one"))
	if err != nil {
		t.Fatal(err)
	}
	again := newTestBridge(t, "sg7", "10.77.0.0/24", map[string]netip.Addr{"one": first})
	if got := strings.Join(links(t), " "); got != "sg7 "+cableName("one") {
		t.Errorf("links: %s", got)
	}
	if address := one.attach(again, "one"); address != first {
		t.Errorf("address %s became %s", first, address)
	}
	after, err := netlink.LinkByName(cableName("one"))
	if err != nil || after.Attrs().Index != before.Attrs().Index {
		t.Errorf("the link was made anew: %v", err)
	}
	if got := play("dial", first.String()+":80"); got != "from 10.77.0.1" {
		t.Errorf("after the restart: %s", got)
	}
	if third := two.attach(again, "three"); third == first {
		t.Errorf("%s is used twice", third)
	}
}

// TestN3TheBridgeMovesToAnotherCIDR once no pod has an address of the former
// one. Until then it serves those who have.
func TestN3TheBridgeMovesToAnotherCIDR(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "sg7", "10.77.0.0/24", nil)
	one := startPod(t)
	first := one.attach(b, "one")
	if got := one.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	other := netip.MustParsePrefix("10.78.0.0/24")
	if err := b.Setup(t.Context(), []netip.Prefix{other}, map[string]netip.Addr{"one": first}); err == nil || !strings.Contains(err.Error(), "10.77.0.0/24") {
		t.Errorf("while a pod holds an address: %v", err)
	}
	if address, err := b.Allocate("two"); err == nil {
		t.Errorf("%s was handed out", address)
	}
	if got := play("dial", first.String()+":80"); got != "from 10.77.0.1" {
		t.Errorf("the former pod: %s", got)
	}
	if err := b.Release(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Setup(t.Context(), []netip.Prefix{other}, nil); err != nil {
			t.Fatal(err)
		}
	}
	two := startPod(t)
	second := two.attach(b, "two")
	if got := two.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	if err := b.Setup(t.Context(), []netip.Prefix{other}, nil); err != nil { // a list from before the pod came
		t.Fatal(err)
	}
	if got := play("dial", second.String()+":80"); second.String() != "10.78.0.2" || got != "from 10.78.0.1" {
		t.Errorf("the new pod has %s: %s", second, got)
	}
}

func TestAHalfMadeLinkIsMadeAnew(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "", "10.77.0.0/24", nil)
	one := startPod(t)
	address := one.attach(b, "one")
	space, err := netns.GetFromPid(one.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	pod, err := netlink.NewHandleAt(space)
	if err != nil {
		t.Fatal(err)
	}
	defer pod.Close()
	inner, err := pod.LinkByName(inside)
	if err != nil {
		t.Fatal(err)
	}
	if err := pod.LinkSetDown(inner); err != nil { // also takes the route away
		t.Fatal(err)
	}
	if got := one.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	if again := one.attach(b, "one"); again != address {
		t.Errorf("address %s became %s", address, again)
	}
	if got := play("dial", address.String()+":80"); got != "from 10.77.0.1" {
		t.Errorf("after mending: %s", got)
	}
}

func TestReleaseAndRemoveLeaveNothing(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "", "10.77.0.0/24", nil)
	one, two := startPod(t), startPod(t)
	one.attach(b, "one")
	two.attach(b, "two")
	for range 2 {
		if err := b.Release(context.Background(), "one"); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(links(t), " "); got != "sg0 "+cableName("two") {
		t.Errorf("after Release: %s", got)
	}
	for range 2 {
		if err := b.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if got := links(t); len(got) != 0 {
		t.Errorf("after Remove: %v", got)
	}
}

func TestTwoNodesOfOneMachine(t *testing.T) {
	enter(t)
	left := newTestBridge(t, NameFor("c", "left"), "10.77.0.0/24", nil)
	right := newTestBridge(t, NameFor("c", "right"), "10.77.1.0/24", nil)
	one, two := startPod(t), startPod(t)
	address := one.attach(left, "one")
	two.attach(right, "two")
	if got := one.tell("listen 0.0.0.0:80"); got != "ok" {
		t.Fatal(got)
	}
	if got := two.tell("dial " + address.String() + ":80"); got != "from 10.77.1.2" {
		t.Errorf("across the nodes: %s", got)
	}
	third, err := NewBridge(Config{Name: "sg9"})
	if err != nil {
		t.Fatal(err)
	}
	err = third.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}, nil)
	if err == nil || !strings.Contains(err.Error(), "10.77.0.1/24 on interface "+NameFor("c", "left")+", the bridge of another segno cluster; if that is no more: ip link delete "+NameFor("c", "left")) {
		t.Errorf("a CIDR that is in use: %v", err)
	}
}

func TestAForeignInterfaceIsNotTakenOver(t *testing.T) {
	enter(t)
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "sg0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "other"}); err != nil {
		t.Fatal(err)
	}
	b, err := NewBridge(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")}, nil); err == nil || !strings.Contains(err.Error(), "veth") {
		t.Errorf("set up over a foreign interface: %v", err)
	}
}

// TestTwoClustersOnOneMachine: what one leaves behind is found by its name and
// taken away, and nothing of the other's.
func TestTwoClustersOnOneMachine(t *testing.T) {
	enter(t)
	bridge := func(cluster, cidr string) *Bridge {
		t.Helper()
		b, err := NewBridge(Config{Name: NameFor(cluster, "node"), Cluster: cluster})
		if err == nil {
			err = b.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix(cidr)}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := bridge("aaaa", "10.244.0.0/24"), bridge("bbbb", "10.245.0.0/24")
	one, two := startPod(t), startPod(t)
	one.attach(a, "one")
	two.attach(b, "two")
	others := func(cluster string) (out string) {
		t.Helper()
		holders, err := Holders(cluster)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range holders {
			if h.In(netip.MustParsePrefix("10.240.0.0/12")) {
				out += fmt.Sprintln(h.Prefix, h.Interface, h.Route, h.Cluster)
			}
		}
		return out
	}
	ofA := fmt.Sprintf("10.244.0.1/24 %[1]s false aaaa\n10.244.0.0/24 %[1]s true aaaa\n", NameFor("aaaa", "node"))
	ofB := fmt.Sprintf("10.245.0.1/24 %[1]s false bbbb\n10.245.0.0/24 %[1]s true bbbb\n", NameFor("bbbb", "node"))
	if got := others(""); got != ofA+ofB {
		t.Errorf("this machine has\n%swant\n%s", got, ofA+ofB)
	}
	if got := others("aaaa"); got != ofB {
		t.Errorf("beside the first cluster this machine has\n%swant\n%s", got, ofB)
	}
	taken, err := NewBridge(Config{Name: NameFor("aaaa", "node"), Cluster: "cccc"})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix("10.246.0.0/24")}, nil); err == nil || !strings.Contains(err.Error(), `cluster "aaaa"'s`) {
		t.Errorf("another cluster's bridge was taken over: %v", err)
	}
	second, err := NewBridge(Config{Name: NameFor("aaaa", "second"), Cluster: "aaaa"})
	if err == nil {
		err = second.Setup(t.Context(), []netip.Prefix{netip.MustParsePrefix("10.246.0.0/24")}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := RemoveOf("aaaa", NameFor("aaaa", "second")); err != nil || !slices.Equal(removed, []string{NameFor("aaaa", "second")}) {
		t.Errorf("the end of one of two nodes: removed %v, %v", removed, err)
	}
	for range 2 {
		removed, err := RemoveOf("aaaa", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Log("removed", removed)
	}
	if got := strings.Join(links(t), " "); got != NameFor("bbbb", "node")+" "+cableName("two") {
		t.Errorf("left: %s", got)
	}
	if removed, err := RemoveOf("", ""); err != nil || removed != nil {
		t.Errorf("nobody's cluster: removed %v, %v", removed, err)
	}
}

// TestS8AHealthyStartSaysNothing, and neither does the end of pods and network,
// with one family and with both.
func TestS8AHealthyStartSaysNothing(t *testing.T) {
	enter(t)
	for name, cidrs := range map[string]string{"sg-four": "10.77.0.0/24", "sg-both": "10.78.0.0/24,fd78::/64"} {
		var said bytes.Buffer
		b, err := NewBridge(Config{Name: name, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		var ranges []netip.Prefix
		for text := range strings.SplitSeq(cidrs, ",") {
			ranges = append(ranges, netip.MustParsePrefix(text))
		}
		for range 2 { // the second is a restarted agent's
			if err := b.Setup(t.Context(), ranges, nil); err != nil {
				t.Fatal(err)
			}
			if err := b.SetPeers(t.Context(), nil); err != nil {
				t.Error(err)
			}
			b.pool = nil
		}
		if err := b.tables().withdraw([]netip.Addr{netip.MustParseAddr("10.77.0.9"), netip.MustParseAddr("fd77::9")}); err != nil {
			t.Error(err)
		}
		if err := b.Remove(); err != nil {
			t.Error(err)
		}
		if said.Len() > 0 {
			t.Errorf("%s: %s", cidrs, &said)
		}
	}
}

func TestALinkThatGoesByItselfIsRemoved(t *testing.T) {
	enter(t)
	made := &netlink.Bridge{LinkAttrs: named("going")}
	if err := netlink.LinkAdd(made); err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("going")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := remove(link); err != nil {
			t.Error(err)
		}
	}
}

// TestS3RulesSeeWhatPodsOfOneBridgeSay, also where somebody has turned that off.
func TestS3RulesSeeWhatPodsOfOneBridgeSay(t *testing.T) {
	enter(t)
	for _, v6 := range []bool{false, true} {
		if err := os.WriteFile(BridgeSwitch(v6), []byte("0"), 0o644); err != nil {
			t.Fatalf("this kernel has no br_netfilter: %v", err)
		}
	}
	b := newTestBridge(t, "sg-shown", "10.77.0.0/24", nil)
	defer func() { _ = b.Remove() }()
	if four, six := read(BridgeSwitch(false)), read(BridgeSwitch(true)); four != "1" || six != "0" {
		t.Errorf("IPv4 %s, IPv6 %s of a node with IPv4 only", four, six)
	}
}
