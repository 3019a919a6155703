package kinds

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// PodNetworkAnnotation, on the namespace kube-system, says from which network
// the nodes get theirs; without it that is DefaultPodNetwork.
const PodNetworkAnnotation = "segno/pod-network-cidr"

// DefaultPodNetwork is the usual one. A cluster that outgrows it goes on behind
// it, up to 10.255.255.0/24.
var DefaultPodNetwork = netip.MustParsePrefix("10.244.0.0/16")

const (
	defaultPodNetworks = 12 * 256
	nodeBits           = 24 // of each node's network
	nodeBits6          = 64
	// mostNodes6 is where the networks of IPv6 are counted no further.
	mostNodes6 = 1 << 24
)

// ParsePodNetworks reads the networks that nodes can get theirs from: one, or
// one of each family with a comma between them.
func ParsePodNetworks(text string) ([]netip.Prefix, error) {
	return parseNetworks(text, "pod networks", parsePodNetwork)
}

func parsePodNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, fmt.Errorf("pod network %q: want a network such as %s: %w", text, DefaultPodNetwork, err)
	}
	switch bits := bitsOf(network); {
	case network.Addr().Is4In6() || network.Addr().IsMulticast() || network.Addr().IsLinkLocalUnicast():
		return network, fmt.Errorf("pod network %s: pods cannot have addresses of it", network)
	case network != network.Masked():
		return network, fmt.Errorf("pod network %s: the network itself is %s", network, network.Masked())
	case network.Bits() > bits:
		return network, fmt.Errorf("pod network %s: too small, each node gets a /%d of it", network, bits)
	default:
		return network, nil
	}
}

// bitsOf is how long the networks of nodes are.
func bitsOf(network netip.Prefix) int {
	if network.Addr().Is4() {
		return nodeBits
	}
	return nodeBits6
}

// PodNetworks are the cluster's; set is false while they are the default one.
func PodNetworks(view events.View) (networks []netip.Prefix, set bool, err error) {
	system, found, err := events.GetAs[*corev1.Namespace](view, proto.Resource{Name: "namespaces"}.Key("", metav1.NamespaceSystem))
	if err != nil {
		return nil, false, fmt.Errorf("read the cluster's pod network: %w", err)
	}
	if found {
		if networks, err = ParsePodNetworks(system.Annotations[PodNetworkAnnotation]); err == nil {
			return networks, true, nil
		}
	}
	return []netip.Prefix{DefaultPodNetwork}, false, nil // what somebody wrote there by mistake is as good as nothing
}

// networks are consecutive ones, each of a node.
type networks struct {
	first netip.Prefix
	size  int
}

// podNetworks are those that nodes choose from, for each of the cluster's.
func podNetworks(view events.View) ([]networks, error) {
	all, set, err := PodNetworks(view)
	if err != nil || !set {
		return []networks{{netip.PrefixFrom(DefaultPodNetwork.Addr(), nodeBits), defaultPodNetworks}}, err
	}
	out := make([]networks, len(all))
	for i, network := range all {
		bits := bitsOf(network)
		out[i] = networks{first: netip.PrefixFrom(network.Addr(), bits), size: mostNodes6}
		if room := bits - network.Bits(); network.Addr().Is4() || room < 24 {
			out[i].size = 1 << room
		}
	}
	return out, nil
}

// at is the n-th network.
func (all networks) at(n int) netip.Prefix {
	bytes := all.first.Addr().AsSlice()
	head, shift := bytes[:4], 32-nodeBits
	if len(bytes) > 4 { // networks of IPv6 are counted in the second half of their 64 bits
		head, shift = bytes[4:8], 0
	}
	binary.BigEndian.PutUint32(head, binary.BigEndian.Uint32(head)+uint32(n)<<shift)
	address, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(address, all.first.Bits())
}

// NetworksApart refuses networks of Services and of pods that overlap.
func NetworksApart(services, pods []netip.Prefix) error {
	for _, network := range services {
		if i := slices.IndexFunc(pods, network.Overlaps); i >= 0 {
			return fmt.Errorf("the addresses of Services %s (--service-cidr) and of pods %s (--pod-network-cidr) overlap: choose others", network, pods[i])
		}
	}
	return nil
}
