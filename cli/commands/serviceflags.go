package commands

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"segno/agents/services"
	"segno/events/kinds"
)

// serviceFlags say how a node serves Services and names.
type serviceFlags struct {
	mode, scheduler, domain, resolvConf string
	nodePorts, dns                      []string
}

func (f *serviceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "proxy-mode", string(services.Auto), "What moves the traffic of Services: ipvs, nftables, userspace, or auto: the first of them that this machine is able to have")
	flags.StringVar(&f.scheduler, "ipvs-scheduler", services.DefaultScheduler, "How IPVS chooses the backend of a new connection, where it moves the traffic: "+strings.Join(services.Schedulers, ", "))
	flags.StringSliceVar(&f.nodePorts, "nodeport-addresses", nil, "Networks whose addresses serve node ports, such as 192.0.2.0/24 (default all of the node's but loopback)")
	flags.StringSliceVar(&f.dns, "cluster-dns", nil, "Addresses of the cluster's DNS (default "+kinds.ClusterDNS.String()+")")
	flags.StringVar(&f.domain, "cluster-domain", "cluster.local", "Domain of the cluster's names")
	flags.StringVar(&f.resolvConf, "resolv-conf", "/etc/resolv.conf", "File that says whom the cluster's DNS asks for other names")
	completeChoices(cmd, "proxy-mode", services.Modes...)
	completeChoices(cmd, "ipvs-scheduler", services.Schedulers...)
}

func (f *serviceFlags) options() (out services.Options, err error) {
	if out.Mode, err = services.ParseMode(f.mode); err != nil {
		return out, fmt.Errorf("--proxy-mode: %w", err)
	}
	if out.Scheduler, err = services.ParseScheduler(f.scheduler); err != nil {
		return out, fmt.Errorf("--ipvs-scheduler: %w", err)
	}
	for _, text := range f.nodePorts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return out, fmt.Errorf("--nodeport-addresses %q: want a network such as 192.0.2.0/24", text)
		}
		out.NodePorts = append(out.NodePorts, prefix.Masked())
	}
	for _, text := range f.dns {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return out, fmt.Errorf("--cluster-dns %q: want an IP address such as %s", text, kinds.ClusterDNS)
		}
		out.DNS = append(out.DNS, address)
	}
	out.Domain, out.ResolvConf = f.domain, f.resolvConf
	return out, nil
}
