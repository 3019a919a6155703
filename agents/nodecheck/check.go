package nodecheck

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"

	"segno/agents/dump"
	"segno/agents/network"
	"segno/events/kinds"
)

// Result is how a check ended.
type Result string

// The results. Only Failed keeps the node from working.
const (
	OK      Result = "ok"
	Warning Result = "warning"
	Failed  Result = "failed"
)

// Finding is what one check found.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"` // what a person is to do about it
}

// Config says how the node is to be linked.
type Config struct {
	Address netip.Addr // of the node
	Backend network.Backend
	Port    int // VXLAN's
	// Pods are the ranges of the cluster's pods; Asked says that a person named
	// them: unless so, a cluster takes others by itself.
	Pods     []netip.Prefix
	Asked    bool
	Services []netip.Prefix
	Peers    []netip.Addr // other nodes, if known
}

// Run does all checks.
func Run(cfg Config) []Finding {
	if err := network.CanBridge(); err != nil {
		return []Finding{{"privileges", Failed, err.Error(), "run it, and segno up or segno join, as root; until then the node runs only pods with hostNetwork: true, and nothing more can be checked"}}
	}
	out := []Finding{
		{"privileges", OK, "may make links and rules", ""},
		cfg.address(),
	}
	out = append(out, cfg.kernel()...)
	out = append(out, cfg.forwarding(), cfg.bridged())
	if cfg.Backend == network.VXLAN {
		out = append(out, cfg.port())
	}
	out = append(out, cfg.firewall()...)
	out = append(out, cfg.ranges()...)
	for _, peer := range cfg.Peers {
		out = append(out, cfg.peer(peer))
	}
	return out
}

// Ready says that nothing failed.
func Ready(findings []Finding) bool {
	for _, f := range findings {
		if f.Result == Failed {
			return false
		}
	}
	return true
}

func (cfg Config) address() Finding {
	const check = "node address"
	link, found, err := network.Underlay(cfg.Address)
	switch {
	case err != nil:
		return Finding{check, Failed, err.Error(), "see why interfaces cannot be listed"}
	case cfg.Address.IsLoopback():
		return Finding{check, Failed, fmt.Sprintf("%s is this machine's only to itself", cfg.Address), "give the address that other nodes know with --node-ip"}
	case !found:
		return Finding{check, Failed, fmt.Sprintf("no interface has %s", cfg.Address), "give one of this machine's own addresses (ip address) with --node-ip"}
	}
	mtu, fits := network.PodMTU(cfg.Backend, cfg.Address, link.Attrs().MTU)
	said := fmt.Sprintf("%s on %s, MTU %d; pods get %d", cfg.Address, link.Attrs().Name, link.Attrs().MTU, mtu)
	if !fits {
		return Finding{check, Failed, said, "raise the interface's MTU: packets of pods would not fit"}
	}
	return Finding{check, OK, said, ""}
}

func (cfg Config) forwarding() Finding {
	const check = "forwarding"
	paths := []string{"/proc/sys/net/ipv4/ip_forward"}
	for _, p := range cfg.Pods {
		if p.Addr().Is6() {
			paths = append(paths, "/proc/sys/net/ipv6/conf/all/forwarding")
		}
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return Finding{check, Failed, err.Error(), "a kernel with this protocol is needed"}
		}
		if strings.TrimSpace(string(data)) == "1" {
			continue
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			name := strings.ReplaceAll(strings.TrimPrefix(path, "/proc/sys/"), "/", ".")
			return Finding{check, Failed, fmt.Sprintf("the kernel does not pass packets on, and this process may not tell it to (%v)", err), "sysctl -w " + name + "=1"}
		}
		_ = file.Close()
		return Finding{check, OK, "off; segno turns it on", ""}
	}
	return Finding{check, OK, "on", ""}
}

// bridged says whether rules can see packets between two pods of this node.
func (cfg Config) bridged() Finding {
	const check = "bridged packets"
	found := Finding{check, OK, "rules see them", ""}
	for _, p := range cfg.Pods {
		path := network.BridgeSwitch(p.Addr().Is6())
		data, err := os.ReadFile(path)
		switch {
		case err != nil:
			return Finding{check, Warning, "rules do not see them: a pod that comes by a Service to one beside it has the node's address there",
				"modprobe br_netfilter (and name it in /etc/modules-load.d); if there is no such module: a kernel with CONFIG_BRIDGE_NETFILTER"}
		case strings.TrimSpace(string(data)) != "1":
			found.Found = "off; segno turns it on"
		}
	}
	return found
}

// port says whether VXLAN's port is free: other VXLANs may share it.
func (cfg Config) port() Finding {
	check := fmt.Sprintf("UDP port %d", cfg.Port)
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return Finding{check, Failed, err.Error(), "see why interfaces cannot be listed"}
	}
	for _, link := range links {
		if v, is := link.(*netlink.Vxlan); is && v.Port == cfg.Port {
			return Finding{check, OK, fmt.Sprintf("open for VXLAN, by %s", v.Name), ""}
		}
	}
	listener, err := net.ListenPacket("udp", fmt.Sprintf(":%d", cfg.Port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return Finding{check, Failed, "another program has it", fmt.Sprintf("find it with: ss -lunp sport = :%d; stop it, or take another port with --vxlan-port on all nodes", cfg.Port)}
	case err != nil:
		return Finding{check, Failed, err.Error(), "take another port with --vxlan-port on all nodes"}
	}
	_ = listener.Close()
	return Finding{check, OK, "free", ""}
}

const anotherRange = "segno up takes another range by itself; if this machine is to join a cluster, name the cluster's with --pod-network-cidr and check again"

// ranges finds networks of this machine that pods or Services would hide, and such
// as hide each other or are not led to.
func (cfg Config) ranges() (out []Finding) {
	holders, err := network.Holders("")
	if err != nil {
		return []Finding{{"ranges", Failed, err.Error(), "see why interfaces cannot be listed"}}
	}
	for _, pods := range cfg.Pods {
		f := clash("pod range "+pods.String(), pods, holders, "choose another range at the cluster's first start with --pod-network-cidr, or another network for that interface")
		if f.Result == Failed && !cfg.Asked {
			f.Result, f.Do = Warning, anotherRange
		}
		out = append(out, f)
	}
	for _, pods := range cfg.Pods {
		if err := network.CanLead(cfg.Backend, pods, cfg.Address); err != nil {
			out = append(out, Finding{"ways to " + pods.String(), Failed, err.Error(), "take --backend=vxlan on all nodes, or an address of the pods' family with --node-ip on all nodes"})
		}
	}
	if err := kinds.NetworksApart(cfg.Services, cfg.Pods); err != nil {
		f := Finding{"ranges", Failed, err.Error(), "choose others at the cluster's first start, with --pod-network-cidr or --service-cidr: segno up refuses these"}
		if !cfg.Asked {
			f.Result, f.Do = Warning, anotherRange
		}
		out = append(out, f)
	}
	for _, services := range cfg.Services {
		out = append(out, clash("service range "+services.String(), services, holders, "choose another range at the cluster's first start with --service-cidr, or another network for that interface: addresses of Services would not be reached from this machine, or it by them"))
	}
	return out
}

func clash(check string, of netip.Prefix, holders []network.Holder, do string) Finding {
	found := Finding{check, OK, "nothing of this machine is in it", ""}
	for _, h := range holders {
		switch {
		case !h.In(of):
		case h.Ours():
			found.Found = "a segno cluster of this machine uses it"
		default:
			return Finding{check, Failed, "this machine has " + h.String(), do}
		}
	}
	return found
}

func (cfg Config) peer(address netip.Addr) Finding {
	check := "node " + address.String()
	ways, err := netlink.RouteGet(address.AsSlice())
	if err != nil || len(ways) == 0 {
		return Finding{check, Failed, fmt.Sprintf("no route leads there (%v)", err), "connect both machines to one network, or route between theirs"}
	}
	if cfg.Backend == network.HostGW && len(ways[0].Gw) > 0 {
		return Finding{check, Failed, fmt.Sprintf("it is behind the router %s, and host-gw needs nodes on one network segment", ways[0].Gw), "take --backend=vxlan on all nodes"}
	}
	if address.Is6() != cfg.Address.Is6() {
		return Finding{check, Failed, fmt.Sprintf("its address is of another family than this node's, %s", cfg.Address), "give addresses of one family with --node-ip on all nodes"}
	}
	return Finding{check, OK, "a route leads there; not tried whether it answers", ""}
}
