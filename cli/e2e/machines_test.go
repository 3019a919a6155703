//go:build host

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The names are fixed, so that a test finds what one that was killed has left.
const (
	spacePrefix  = "segno-e2e-"
	enginePrefix = "e2e-"
	wireName     = "wire"
	visitorImage = "segno-e2e/visitor:1"
)

// wire is a network segment with machines on it, in a network namespace of its own.
type wire struct {
	*testing.T
	space string
}

// machine is a network namespace with one address on the wire, and where it is to
// be a node, a Docker engine that lives in it.
type machine struct {
	*wire
	name, space, address string
	engine               string
	agent                *joinedNode // of a node that joined
	flags                []string    // with which it runs again
	served               bool        // by a visitor of its own
}

// newWire lays one.
func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{T: t}
	w.space = w.namespace(wireName)
	w.ip("-n", w.space, "link", "add", wireName, "type", "bridge")
	w.ip("-n", w.space, "link", "set", wireName, "up")
	return w
}

// ip is the program.
func (w *wire) ip(args ...string) string {
	w.Helper()
	return command(w.T, "ip", args...)
}

// namespace makes one, with nothing in it that was left by a test that was killed.
func (w *wire) namespace(name string) (space string) {
	w.Helper()
	space = spacePrefix + name
	w.wipe(space)
	w.Cleanup(func() { w.wipe(space) })
	w.ip("netns", "add", space)
	w.ip("-n", space, "link", "set", "lo", "up")
	return space
}

// wipe ends all processes of a namespace of ours, and removes it.
func (w *wire) wipe(space string) {
	w.Helper()
	if _, err := os.Stat(spaceFile(space)); err != nil {
		return
	}
	for _, pid := range strings.Fields(w.ip("netns", "pids", space)) {
		if n, err := strconv.Atoi(pid); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL) // it may have ended
		}
	}
	w.ip("netns", "delete", space)
}

func spaceFile(space string) string { return "/run/netns/" + space }

// machine puts one on the wire.
func (w *wire) machine(name, address string) *machine {
	w.Helper()
	m := &machine{wire: w, name: name, address: address}
	engineOff(w.T, name) // it may live in the namespace
	m.space = w.namespace(name)
	w.ip("-n", w.space, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", m.space)
	w.ip("-n", w.space, "link", "set", name, "master", wireName, "up")
	w.ip("-n", m.space, "address", "add", address+"/24", "dev", "eth0")
	w.ip("-n", m.space, "link", "set", "eth0", "up")
	return m
}

// nodes puts machines with engines on the wire, which have the images of the
// course and the visitor's.
func (w *wire) nodes(names ...string) (out []*machine) {
	w.Helper()
	images := visitorArchive(w.T)
	var loading sync.WaitGroup
	for i, name := range names {
		m := w.machine(name, fmt.Sprintf("192.0.2.%d", i+1))
		m.startEngine()
		loading.Go(func() { docker(w.T, m.engine, "load", "-i", images) })
		out = append(out, m)
	}
	loading.Wait()
	return out
}

func (m *machine) startEngine() {
	m.Helper()
	m.Cleanup(func() { engineOff(m.T, m.name) })
	engine(m.T, m.name, enginePrefix+m.name)
	m.engine = "unix:///run/segno-engine/" + enginePrefix + m.name + "/docker.sock"
}

// engine runs the script on the engine of a machine.
func engine(t *testing.T, machine string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join("..", "..", "setup", "engine.sh"), args...)
	cmd.Env = append(os.Environ(), "SEGNO_YES=1", "ENGINE_NETNS="+spacePrefix+machine) // which it then leaves to us
	cmd.WaitDelay = time.Second                                                        // the engine holds its output
	if out, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("engine of machine %s: %v\n%s", machine, err, out)
	}
}

func engineOff(t *testing.T, machine string) {
	t.Helper()
	if _, err := os.Stat("/run/segno-engine/" + enginePrefix + machine); err == nil {
		engine(t, machine, "--delete", enginePrefix+machine)
	}
}

// visitorArchive is a file of the images that machines have, to load.
func visitorArchive(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", visitorProgram(), "segno/cli/internal/visitor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the visitor: %v\n%s", err, out)
	}
	command(t, "tar", "-C", filepath.Dir(program), "-cf", filepath.Join(dir, "root.tar"), "visitor")
	docker(t, defaultEngine, "import", filepath.Join(dir, "root.tar"), visitorImage)
	docker(t, defaultEngine, "save", "-o", filepath.Join(dir, "images.tar"), visitorImage, "nginx:1.7.9")
	return filepath.Join(dir, "images.tar")
}

func visitorProgram() string { return filepath.Join(filepath.Dir(program), "visitor") }

// up starts a cluster whose control plane and first node are on this machine.
func (m *machine) up(flags ...string) *cluster {
	m.Helper()
	root := m.TempDir()
	c := &cluster{T: m.T, home: filepath.Join(root, "home"), dir: filepath.Join(root, "data"), space: m.space}
	c.flags = append([]string{
		"--runtime", "docker", "--docker-host", m.engine, "--node-name", m.name, "--listen", m.address + ":6443", "--bus-listen", m.address + ":4222",
	}, flags...)
	m.Cleanup(c.clean)
	c.start()
	return c
}

// joins makes the machine a node.
func (m *machine) joins(c *cluster, flags ...string) {
	m.Helper()
	m.flags = append([]string{"--name", m.name, "--data-dir", filepath.Join(m.TempDir(), m.name), "--docker-host", m.engine}, flags...)
	m.joinsAnew(c)
}

// joinsAnew has it spend a token.
func (m *machine) joinsAnew(c *cluster) {
	m.Helper()
	m.runsAgain(c, strings.Fields(c.segno("token", "create"))[2:]...) // segno join URL --token TOKEN
}

// runsAgain starts the agent of a machine that has joined.
func (m *machine) runsAgain(c *cluster, args ...string) {
	m.Helper()
	here := *c
	here.T, here.space = m.T, m.space // it outlives a part of the test
	m.agent = here.join(append(args, m.flags...)...)
	agent := m.agent
	m.Cleanup(func() {
		agent.end()
		if m.Failed() {
			m.Logf("the node %s said:\n%s", m.name, agent.out.String())
		}
	})
}

// kill is kill -9 of its agent.
func (m *machine) kill() { m.agent.end() }

// visitor runs one on the machine itself. (Not on a thread of the test that enters
// the namespace: it may be the main one, which would have the test's process there.)
func (m *machine) visitor(args ...string) string {
	m.Helper()
	return command(m.T, "nsenter", append([]string{"--net=" + spaceFile(m.space), visitorProgram()}, args...)...)
}

// cut keeps machines from each other, and from nobody else; mend lets all reach all.
// The kernel's bridge passes nothing between two of its ports that are isolated.
func (w *wire) cut(a, b *machine) {
	w.Helper()
	for _, m := range []*machine{a, b} {
		command(w.T, "bridge", "-n", w.space, "link", "set", "dev", m.name, "isolated", "on")
	}
}

func (w *wire) mend(all ...*machine) {
	w.Helper()
	for _, m := range all {
		command(w.T, "bridge", "-n", w.space, "link", "set", "dev", m.name, "isolated", "off")
		w.ip("-n", w.space, "link", "set", m.name, "up")
	}
}

// unplug takes the machine's cable out.
func (m *machine) unplug() {
	m.Helper()
	m.ip("-n", m.wire.space, "link", "set", m.name, "down")
}

// serves has the machine itself say whom it sees, at port 9000.
func (m *machine) serves() {
	m.Helper()
	if m.served {
		return
	}
	m.served = true
	cmd := exec.Command("nsenter", "--net="+spaceFile(m.space), visitorProgram(), "serve", m.name, "9000")
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
}
