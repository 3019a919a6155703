package commands

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/agents/network"
	"segno/agents/nodecheck"
	"segno/events/kinds"
)

func newNode(streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", Short: "Look whether this machine can be a node",
		Example: "  segno node check",
		RunE:    onlySubcommands,
	}
	cmd.AddCommand(newNodeCheck(streams))
	return cmd
}

// nodeCheck is what segno node check was asked for.
type nodeCheck struct {
	pods     podLinks
	network  string
	services string
	peers    []string
	output   string
	usual    string
}

func newNodeCheck(streams genericiooptions.IOStreams) *cobra.Command {
	o := nodeCheck{usual: kinds.DefaultPodNetwork.String()}
	cmd := &cobra.Command{
		Use: "check", Short: "Say what would keep this machine's pods from other nodes'",
		Long: "Say what would keep this machine's pods from those of other nodes: a blocked port, a missing kernel module or privilege, a range that is in use.\n" +
			"Nothing on the machine is changed. It exits with 1 when something failed.",
		Example: `  # Before segno up or segno join, with the same flags
  segno node check
  segno node check --backend host-gw --peer 10.0.0.2`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", o.output, "table", "json", "yaml"); err != nil {
				return err
			}
			return o.run(streams.Out)
		},
	}
	o.pods.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.network, "pod-network-cidr", "", "Network of the cluster's pods (default "+o.usual+")")
	flags.StringVar(&o.services, "service-cidr", kinds.DefaultServiceNetwork.String(), "Network of the addresses of Services")
	flags.StringSliceVar(&o.peers, "peer", nil, "Address of another node")
	flags.StringVarP(&o.output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

func (o *nodeCheck) run(out io.Writer) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	findings := nodecheck.Run(cfg)
	if o.output != "table" {
		err = writeAs(out, o.output, findings)
	} else {
		err = tellFindings(out, findings)
	}
	if err == nil && !nodecheck.Ready(findings) {
		err = exitError{1}
	}
	return err
}

func (o *nodeCheck) config() (cfg nodecheck.Config, err error) {
	links, err := o.pods.read()
	if err != nil {
		return cfg, err
	}
	cfg = nodecheck.Config{
		Address: links.NodeAddress(), Backend: cmp.Or(links.Backend, network.VXLAN), Port: cmp.Or(links.Port, network.DefaultPort), Asked: o.network != "",
	}
	if cfg.Services, err = kinds.ParseServiceNetworks(o.services); err != nil {
		return cfg, fmt.Errorf("--service-cidr: %w", err)
	}
	if o.network == "" {
		o.network = o.usual
	}
	if cfg.Pods, err = kinds.ParsePodNetworks(o.network); err != nil {
		return cfg, fmt.Errorf("--pod-network-cidr: %w", err)
	}
	for _, text := range o.peers {
		peer, err := netip.ParseAddr(text)
		if err != nil {
			return cfg, fmt.Errorf("--peer %q: want an IP address: %w", text, err)
		}
		cfg.Peers = append(cfg.Peers, peer)
	}
	return cfg, nil
}

// tellFindings is a table, and below it what to do.
func tellFindings(out io.Writer, findings []nodecheck.Finding) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "CHECK\tRESULT\tFOUND")
	for _, f := range findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Check, f.Result, f.Found)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Do != "" {
			fmt.Fprintf(out, "\n%s: %s\n", f.Check, f.Do)
		}
	}
	return nil
}
