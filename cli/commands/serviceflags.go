package commands

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"segno/agents/services"
)

// serviceFlags say how a node serves Services and names.
type serviceFlags struct {
	mode, scheduler, domain, resolvConf string
	nodePorts, dns, stubs               []string
}

func (f *serviceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "proxy-mode", "", "What moves the traffic of Services: ipvs, nftables, userspace, or auto: the first of them that this machine is able to have (default as before, at first auto)")
	flags.StringVar(&f.scheduler, "ipvs-scheduler", services.DefaultScheduler, "How IPVS chooses the backend of a new connection, where it moves the traffic: "+strings.Join(services.Schedulers, ", "))
	flags.StringSliceVar(&f.nodePorts, "nodeport-addresses", nil, "Networks whose addresses serve node ports, such as 192.0.2.0/24 (default all of the node's but loopback)")
	flags.StringSliceVar(&f.dns, "cluster-dns", nil, "Addresses of the cluster's DNS (default the tenth of the addresses of Services, 10.96.0.10)")
	flags.StringVar(&f.domain, "cluster-domain", "cluster.local", "Domain of the cluster's names")
	flags.StringVar(&f.resolvConf, "resolv-conf", "/etc/resolv.conf", "File that says whom the cluster's DNS asks for other names")
	flags.StringSliceVar(&f.stubs, "stub-domain", nil, "Domains whose names the cluster's DNS asks of servers of their own, such as corp.example=192.0.2.53; give a domain again for another server")
	completeChoices(cmd, "proxy-mode", services.Modes...)
	completeChoices(cmd, "ipvs-scheduler", services.Schedulers...)
}

func (f *serviceFlags) options() (out services.Options, err error) {
	if _, err = services.ParseMode(f.mode); err != nil {
		return out, fmt.Errorf("--proxy-mode: %w", err)
	}
	out.Mode = services.Mode(f.mode) // nothing is as before
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
		if err != nil || address.Zone() != "" {
			return out, fmt.Errorf("--cluster-dns %q: want an IP address such as 10.96.0.10", text)
		}
		out.DNS = append(out.DNS, address.Unmap())
	}
	out.Domain, out.ResolvConf = f.domain, f.resolvConf
	out.Stubs, err = f.stubDomains()
	return out, err
}

func (f *serviceFlags) stubDomains() (map[string][]netip.AddrPort, error) {
	out := map[string][]netip.AddrPort{}
	for _, text := range f.stubs {
		domain, server, _ := strings.Cut(text, "=")
		at, err := netip.ParseAddrPort(server)
		if address, plain := netip.ParseAddr(server); plain == nil {
			at, err = netip.AddrPortFrom(address, 53), nil
		}
		if domain == "" || err != nil {
			return nil, fmt.Errorf("--stub-domain %q: want a domain and the IP address of its server, such as corp.example=192.0.2.53", text)
		}
		out[domain] = append(out[domain], at)
	}
	return out, nil
}
