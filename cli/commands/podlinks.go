package commands

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"segno/agents/network"
	"segno/cli/cluster"
)

// podLinks are the flags that say how pods of one node and another reach each
// other.
type podLinks struct {
	address, backend string
	port             int
}

func (o *podLinks) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.address, "node-ip", "", "The node's own address, by which other nodes reach its pods (default the one of before, or this machine's first)")
	flags.StringVar(&o.backend, "backend", "", "How packets of pods get from node to node: vxlan, or host-gw (plain routes, for nodes on one network segment); the same on all nodes (default as before, at first vxlan)")
	flags.IntVar(&o.port, "vxlan-port", 0, fmt.Sprintf("UDP port of VXLAN; the same on all nodes (default as before, at first %d)", network.DefaultPort))
	completeChoices(cmd, "backend", string(network.VXLAN), string(network.HostGW))
}

func (o *podLinks) read() (out cluster.PodLinks, err error) {
	if o.address != "" {
		if out.Address, err = netip.ParseAddr(o.address); err != nil {
			return out, fmt.Errorf("--node-ip %q: want an IP address: %w", o.address, err)
		}
	}
	if _, err = network.ParseBackend(o.backend); err != nil {
		return out, fmt.Errorf("--%w", err)
	}
	if o.port < 0 || o.port > 65535 {
		return out, fmt.Errorf("--vxlan-port %d: must be from 1 to 65535", o.port)
	}
	out.Backend, out.Port = network.Backend(o.backend), o.port // nothing is as before
	return out, nil
}
