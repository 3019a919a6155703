package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
)

// forward lets the kernel pass packets on between pods and other networks.
func forward(v6 bool) error {
	if !v6 {
		return write("/proc/sys/net/ipv4/ip_forward", "1")
	}
	const folder = "/proc/sys/net/ipv6/conf"
	if read(filepath.Join(folder, "all/forwarding")) == "1" {
		return nil
	}
	// A machine that forwards stops taking routes from routers unless told
	// otherwise, and would lose its own way out.
	links, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("forward IPv6: %w", err)
	}
	for _, link := range links {
		path := filepath.Join(folder, link.Name(), "accept_ra")
		if read(path) != "1" {
			continue
		}
		if err := write(path, "2"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return write(filepath.Join(folder, "all/forwarding"), "1")
}

// BridgeSwitch is a file of the kernel that says whether rules see packets that a
// bridge passes on from one pod to another. It is not there unless the kernel's
// module br_netfilter is.
func BridgeSwitch(v6 bool) string {
	if v6 {
		return "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
	}
	return "/proc/sys/net/bridge/bridge-nf-call-iptables"
}

// showBridged lets rules see such packets, where the kernel is able to: a pod that
// comes by a Service is then seen with its own address by one beside it.
func showBridged(v6 bool) error {
	path := BridgeSwitch(v6)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return write(path, "1")
}

// allowIPv6 turns the protocol on in a pod: engines turn it off in namespaces that
// they give no network to.
func allowIPv6(space netns.NsHandle) error {
	answers := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and no other one ever
		// runs in the pod's namespace.
		runtime.LockOSThread()
		if err := netns.Set(space); err != nil {
			answers <- fmt.Errorf("enter the pod's network namespace: %w", err)
			return
		}
		answers <- write("/proc/sys/net/ipv6/conf/"+inside+"/disable_ipv6", "0")
	}()
	return <-answers
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func write(path, value string) error {
	if read(path) == value {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s to %s: %w", path, value, err)
	}
	return nil
}
