package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"

	"segno/cli/api/history"
	"segno/cli/contexts"
)

func newFork(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var clock string
	cmd := &cobra.Command{
		Use: "fork NAME", Short: "Begin a cluster of its own from a moment of this one's past",
		Long: "Begin a sandbox: a control plane of its own, with the objects as they are, or were (--at), and simulated nodes with the\n" +
			"capacity, labels and taints that the real ones had then. It can be written to; the cluster is not touched. The context\n" +
			"fork-NAME, with a credential that is good for the fork alone, is for segno, kubectl and all other tools.\n\n" +
			"Its clock goes on from that moment. With --time virtual it stands still until it is told to go on: segno fork advance.\n" +
			"Forks are kept in memory: a restart of the control plane ends them.",
		Example: `  # How was it an hour ago, and what if?
  segno fork --at 1h try
  segno --context fork-try scale deployment/web --replicas=20
  segno --context fork-try get pods
  segno fork diff try
  segno fork rm try

  # Tomorrow, now
  segno fork --time virtual try
  segno fork advance try 24h`,
		Annotations: map[string]string{takesName: "true"},
		Args:        cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("time", clock, "real", "virtual"); err != nil {
				return err
			}
			return c.fork(cmd.Context(), history.ForkRequest{Name: args[0], Virtual: clock == "virtual"}, streams)
		},
	}
	cmd.Flags().StringVar(&clock, "time", "real", "Its clock: real goes on by itself, virtual stands still until it is advanced")
	completeChoices(cmd, "time", "real", "virtual")
	cmd.AddCommand(newForkList(c, streams), newForkRemove(c, streams), newForkAdvance(c, streams), newForkDiff(c, streams))
	return cmd
}

// takesName marks a command that has subcommands and also takes a name: what is
// near to a subcommand may be one.
const takesName = "segno/takes-name"

// fork makes a fork and the context for it.
func (c *client) fork(ctx context.Context, asked history.ForkRequest, streams genericiooptions.IOStreams) error {
	var made history.Fork
	if err := c.postJSON(ctx, "forks", asked, &made); err != nil {
		return err
	}
	entry, err := c.forkEntry(made)
	if err == nil {
		err = entry.Add(c.ownFile())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the fork %s is there, and its context is not: %w", made.Name, err),
			c.dropFork(ctx, made.Name))
	}
	name := contexts.ForkContext(made.Name)
	fmt.Fprintf(streams.Out, "fork %s goes on from %d (%s), with %d simulated nodes\n", made.Name, made.At, made.Begun.Local().Format(timeFormat), made.Nodes)
	fmt.Fprintf(streams.Out, "context %s, for example: segno --context %s get pods\n", name, name)
	if made.Virtual {
		fmt.Fprintf(streams.Out, "its clock stands still; go on with: segno fork advance %s 10m\n", made.Name)
	}
	return nil
}

// forkEntry is a fork's context: where the cluster is, with the fork's own
// credential.
func (c *client) forkEntry(made history.Fork) (contexts.Fork, error) {
	config, err := c.ToRawKubeConfigLoader().ClientConfig()
	if err != nil {
		return contexts.Fork{}, err
	}
	entry := contexts.Fork{
		Name: made.Name, Server: config.Host, CA: config.CAData, ClientCert: []byte(made.Certificate), ClientKey: []byte(made.Key),
	}
	if len(entry.CA) == 0 && config.CAFile != "" {
		if entry.CA, err = os.ReadFile(config.CAFile); err != nil {
			return entry, fmt.Errorf("read the cluster's authority: %w", err)
		}
	}
	if made.Certificate == "" || !strings.HasPrefix(entry.Server, "https://") {
		return entry, errors.New("the cluster gave no certificate, or has no HTTPS address")
	}
	return entry, nil
}

// ownFile is the kubeconfig that contexts are written to.
func (c *client) ownFile() string {
	if *c.KubeConfig != "" {
		return *c.KubeConfig
	}
	return clientcmd.NewDefaultPathOptions().GetDefaultFilename()
}

// dropFork removes a fork at the server.
func (c *client) dropFork(ctx context.Context, name string) error {
	client, err := c.questions()
	if err != nil {
		return err
	}
	return client.Delete().AbsPath(historyPath+"forks").Param("name", name).Do(ctx).Error()
}

func newForkList(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the forks", Args: cobra.NoArgs,
		Example: "  segno fork ls\n  segno fork ls -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json", "yaml"); err != nil {
				return err
			}
			var list history.Forks
			if err := c.askJSON(cmd.Context(), "forks", url.Values{}, &list); err != nil {
				return err
			}
			if output != "table" {
				return writeAs(streams.Out, output, list)
			}
			return writeForks(streams.Out, list)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "Output format: table, json or yaml")
	completeChoices(cmd, "output", "table", "json", "yaml")
	return cmd
}

func writeForks(out io.Writer, list history.Forks) error {
	if len(list.Forks) == 0 {
		fmt.Fprintln(out, "There are no forks; make one with: segno fork NAME")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tFROM\tTIME THERE\tCLOCK\tNODES\tTRANSACTIONS\tCONTEXT")
	for _, f := range list.Forks {
		clock := "real"
		switch {
		case f.Trouble != "":
			clock = "stopped: " + cut(f.Trouble, 60)
		case f.Virtual:
			clock = "virtual"
		}
		fmt.Fprintf(table, "%s\t%d (%s)\t%s\t%s\t%d\t%d\t%s\n", f.Name, f.At, f.Begun.Local().Format(time.DateTime),
			f.Now.Local().Format(time.DateTime), clock, f.Nodes, f.Seq-f.At, contexts.ForkContext(f.Name))
	}
	return table.Flush()
}

func newForkRemove(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"delete"}, Short: "Remove forks, with their contexts and credentials", Args: cobra.MinimumNArgs(1),
		Example: "  segno fork rm try",
		RunE: func(cmd *cobra.Command, args []string) error {
			var wrong []error
			for _, name := range args {
				err := c.dropFork(cmd.Context(), name)
				removed := false
				if err == nil || isNoFork(err, name) { // then the context is of no use either
					var fileErr error
					removed, fileErr = contexts.RemoveFork(c.ownFile(), name)
					wrong = append(wrong, fileErr)
				}
				switch {
				case err == nil:
					fmt.Fprintf(streams.Out, "fork %s removed\n", name)
				case removed:
					fmt.Fprintf(streams.Out, "fork %s was gone already; its context is removed\n", name)
				default:
					wrong = append(wrong, err)
				}
			}
			return errors.Join(wrong...)
		},
	}
}

// isNoFork tells whether the cluster says that there is no such fork. One that is
// asked in the context of a fork does not know.
func isNoFork(err error, name string) bool {
	return apierrors.IsNotFound(err) && strings.Contains(err.Error(), fmt.Sprintf("there is no fork %q", name))
}

func newForkAdvance(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "advance NAME DURATION", Short: "Let time pass in a fork", Args: cobra.ExactArgs(2),
		Long:    "Let time pass in a fork, all at once: everything that would happen meanwhile has then happened.\nA fork whose clock runs by itself is ahead by as much from then on.",
		Example: "  segno fork advance try 10m",
		RunE: func(cmd *cobra.Command, args []string) error {
			var moved history.Fork
			if err := c.postJSON(cmd.Context(), "advance", history.AdvanceRequest{Name: args[0], By: args[1]}, &moved); err != nil {
				return err
			}
			fmt.Fprintf(streams.Out, "in the fork %s it is %s\n", moved.Name, moved.Now.Local().Format(timeFormat))
			return nil
		},
	}
	cmd.SetFlagErrorFunc(onlyForward)
	return cmd
}

// onlyForward explains what becomes of a duration such as -5m: it is taken for
// flags.
func onlyForward(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if text := unknown.GetSpecifiedShortnames(); text != "" && strings.ContainsAny(text[:1], ".0123456789") {
			return fmt.Errorf("-%s: time only goes forward; say by how much, as in segno fork advance NAME %s (what was before is read with --at)", text, text)
		}
	}
	return err
}
