package commands

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"segno/agents/ingress"
)

// ingressFlags say how a node lets clients in from outside.
type ingressFlags struct {
	on          bool
	addresses   []string
	http, https uint16
}

func (f *ingressFlags) add(cmd *cobra.Command, usually bool) {
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "ingress", usually, "Serve Ingresses on this node: its ports are opened with the first one")
	flags.StringSliceVar(&f.addresses, "ingress-address", nil, "Addresses at which Ingresses are served, such as 127.0.0.1 (default the node's)")
	flags.Uint16Var(&f.http, "ingress-http-port", ingress.DefaultHTTP, "Port at which Ingresses are served")
	flags.Uint16Var(&f.https, "ingress-https-port", ingress.DefaultHTTPS, "Port at which Ingresses are served with TLS")
}

// options are nil where no Ingress is served.
func (f *ingressFlags) options() (*ingress.Options, error) {
	if !f.on {
		return nil, nil
	}
	if f.http == 0 || f.https == 0 || f.http == f.https {
		return nil, fmt.Errorf("--ingress-http-port %d and --ingress-https-port %d: want two different ports", f.http, f.https)
	}
	out := &ingress.Options{HTTP: f.http, HTTPS: f.https}
	for _, text := range f.addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("--ingress-address %q: want an IP address such as 192.0.2.7", text)
		}
		out.Addresses = append(out.Addresses, address.Unmap())
	}
	return out, nil
}
