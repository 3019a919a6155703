package kinds

import (
	"encoding/binary"
	"fmt"
	"net/netip"

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
)

// ParsePodNetwork reads a network that nodes can get theirs from.
func ParsePodNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return network, fmt.Errorf("pod network %q: want a network such as %s: %w", text, DefaultPodNetwork, err)
	case !network.Addr().Is4():
		return network, fmt.Errorf("pod network %s: only IPv4 is supported", network)
	case network != network.Masked():
		return network, fmt.Errorf("pod network %s: the network itself is %s", network, network.Masked())
	case network.Bits() > nodeBits:
		return network, fmt.Errorf("pod network %s: too small, each node gets a /%d of it", network, nodeBits)
	case network.Overlaps(serviceNetwork):
		return network, fmt.Errorf("pod network %s: overlaps %s, where the addresses of Services are", network, serviceNetwork)
	default:
		return network, nil
	}
}

// PodNetwork is the cluster's; set is false while it is the default one.
func PodNetwork(view events.View) (network netip.Prefix, set bool, err error) {
	system, found, err := events.GetAs[*corev1.Namespace](view, proto.Resource{Name: "namespaces"}.Key("", metav1.NamespaceSystem))
	if err != nil {
		return network, false, fmt.Errorf("read the cluster's pod network: %w", err)
	}
	if found {
		if network, err = ParsePodNetwork(system.Annotations[PodNetworkAnnotation]); err == nil {
			return network, true, nil
		}
	}
	return DefaultPodNetwork, false, nil // what somebody wrote there by mistake is as good as nothing
}

// networks are consecutive ones, each of a node.
type networks struct {
	first netip.Addr
	size  int
}

func podNetworks(view events.View) (networks, error) {
	network, set, err := PodNetwork(view)
	if err != nil || !set {
		return networks{DefaultPodNetwork.Addr(), defaultPodNetworks}, err
	}
	return networks{network.Addr(), 1 << (nodeBits - network.Bits())}, nil
}

// at is the n-th network.
func (all networks) at(n int) netip.Prefix {
	bytes := all.first.As4()
	binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(bytes[:])+uint32(n)<<(32-nodeBits))
	return netip.PrefixFrom(netip.AddrFrom4(bytes), nodeBits)
}
