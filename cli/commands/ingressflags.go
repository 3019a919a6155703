package commands

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"segno/cli/cluster"
	"segno/events/ingressrule"
)

// ingressFlags say how a node lets clients in from outside.
type ingressFlags struct {
	flags       *pflag.FlagSet
	on          bool
	addresses   []string
	http, https uint16
}

func (f *ingressFlags) add(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	f.flags.StringSliceVar(&f.addresses, "ingress-address", nil, "Addresses at which Ingresses are served, such as 127.0.0.1 (default as before, at first the node's)")
	f.flags.Uint16Var(&f.http, "ingress-http-port", 0, "Port at which Ingresses are served (default as before, at first 80)")
	f.flags.Uint16Var(&f.https, "ingress-https-port", 0, "Port at which Ingresses are served with TLS (default as before, at first 443)")
}

// addChoice is for a cluster's own node: whether others run ingress a label of
// theirs says.
func (f *ingressFlags) addChoice(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.on, "ingress", true, "Serve Ingresses on this node: it gets the label "+ingressrule.Label+"=true, or loses it; as before when it is not given")
}

func (f *ingressFlags) entry() (out cluster.Entry, err error) {
	if f.http != 0 && f.http == f.https {
		return out, fmt.Errorf("--ingress-http-port %d and --ingress-https-port %d: want two different ports", f.http, f.https)
	}
	out.HTTP, out.HTTPS = f.http, f.https
	if f.flags != nil && f.flags.Changed("ingress") {
		out.On = &f.on
	}
	for _, text := range f.addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return out, fmt.Errorf("--ingress-address %q: want an IP address such as 192.0.2.7", text)
		}
		out.Addresses = append(out.Addresses, address.Unmap())
	}
	return out, nil
}
