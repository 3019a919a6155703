package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/archive"
	"segno/cli/contexts"
	"segno/cli/incident"
)

func newOpen(streams genericiooptions.IOStreams) *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use: "open FILE [-- COMMAND]", Short: "Look at an exported span of a log, on any machine",
		Long: "Open a file that segno export wrote: it is checked, and served read-only on this machine until Ctrl-C, with a context\n" +
			"for segno and kubectl. All commands that read work on it; now is the end of its span, and --at goes back from there.\n" +
			"The current context stays as it is, if there is one.\n\n" +
			"With a command behind --, that one command of segno's is run on the file, and its exit status is open's.",
		Example: `  segno open incident.segno

  # In another terminal
  segno get pods -A --context incident-incident
  export SEGNO_CONTEXT=incident-incident
  segno get pods --at 10m
  segno why deployment/web

  # One command
  segno open incident.segno -- history deployment/web`,
		Args: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				if len(args) == n {
					return errors.New("which command? Name it as in: segno open incident.segno -- get pods -A")
				}
				args = args[:n]
			}
			return exactly(1, "which file? Name it as in: segno open incident.segno")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o := opening{file: args[0], command: args[1:], streams: streams, verbose: verbose}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Log what happens inside")
	return cmd
}

// opening is one segno open.
type opening struct {
	file    string
	command []string
	streams genericiooptions.IOStreams
	verbose bool
}

func (o opening) run(ctx context.Context) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	bar := &progressBar{out: o.streams.ErrOut}
	opened, err := incident.Open(ctx, incident.Config{
		File: o.file, Log: newLogger(o.streams.ErrOut, o.verbose),
		Progress: func(done, total int64) { bar.show("reading "+o.file, uint64(done), uint64(total)) },
	})
	bar.end()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	server, err := opened.Listen()
	if err != nil {
		return err
	}
	group, serving := errgroup.WithContext(ctx)
	serving, end := context.WithCancel(serving)
	group.Go(func() error { return server.Run(serving) })
	group.Go(func() error {
		defer end()
		if len(o.command) > 0 {
			return o.runCommand(serving, server)
		}
		return o.offer(serving, opened, server)
	})
	return group.Wait()
}

// offer writes the context, says what there is, and waits.
func (o opening) offer(ctx context.Context, opened *incident.Incident, server *incident.Server) error {
	name, err := freeIncident(o.file)
	if err != nil {
		return err
	}
	entry, err := server.Entry(name)
	if err != nil {
		return err
	}
	if err := entry.Merge(contexts.File()); err != nil {
		return err
	}
	summary, err := opened.Summary()
	if err == nil {
		tellIncident(o.streams.Out, o.file, name, server.URL(), summary)
		<-ctx.Done()
	}
	return firstError(err, contexts.Remove(contexts.File(), name))
}

// runCommand runs one command of this program on the incident.
func (o opening) runCommand(ctx context.Context, server *incident.Server) error {
	entry, err := server.Entry("incident")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "segno-open-")
	if err != nil {
		return fmt.Errorf("make a folder for the kubeconfig: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "kubeconfig")
	if err := entry.Write(file); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, o.command...)
	child.Stdin, child.Stdout, child.Stderr = o.streams.In, beneath(o.streams.Out), o.streams.ErrOut
	child.Env = append(os.Environ(), "KUBECONFIG="+file, contexts.EnvContext+"="+entry.Name)
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.WaitDelay = stopTimeout
	err = child.Run()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return exitError{status.ExitCode()} // it has said why itself
	}
	return err
}

// exitError ends this program as another one ended.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

var unfitForName = regexp.MustCompile(`[^a-z0-9.-]+`)

// freeIncident is what an opened file's context is called. A name whose server is
// gone was left behind, and is free.
func freeIncident(file string) (string, error) {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
	name := "incident-" + strings.Trim(unfitForName.ReplaceAllString(base, "-"), "-.")
	servers, err := contexts.Servers(contexts.File())
	if err != nil {
		return "", err
	}
	free := name
	for n := 2; servers[free] != "" && answers(servers[free]); n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return free, nil
}

// answers tells whether something listens at a server's address.
func answers(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

func tellIncident(out io.Writer, file, name, server string, s incident.Summary) {
	fmt.Fprintf(out, "%s is open, read-only: %s.\n", file, tellsOf(s.Header))
	fmt.Fprintf(out, "  holds       %d transactions, %d objects at the end, nodes %s\n", s.Transactions, s.Objects, someOf(s.Nodes))
	fmt.Fprintf(out, "  made        %s by segno %s\n", s.Made.Local().Format(timeFormat), s.By)
	fmt.Fprintf(out, "  checked     %s\n", checkedText(s))
	if s.Redacted {
		fmt.Fprintln(out, "  secrets     their values were taken out")
	} else {
		fmt.Fprintln(out, "  secrets     their values are in it")
	}
	fmt.Fprintf(out, "  API         %s\n  context     %s\n", server, name)
	fmt.Fprintf(out, "\nNow is %s there. In another terminal:\n  export SEGNO_CONTEXT=%s\n  segno get pods -A\n  segno get pods -A --at %s\n  segno events\nCtrl-C closes it.\n",
		s.Until.Local().Format(timeFormat), name, momentInside(s.Header))
}

// momentInside is a moment of the span, to be tried.
func momentInside(h archive.Header) string {
	const usual = 10 * time.Minute
	switch {
	case h.Until.Sub(h.Since) > usual:
		return "10m"
	case h.From > h.To:
		return "now"
	default:
		return (h.From + (h.To-h.From)/2).String()
	}
}

// checkedText says what was proved of the file.
func checkedText(s incident.Summary) string {
	switch {
	case s.Redacted:
		return "the chain holds; states cannot be compared, since values were taken out"
	case s.Differs > 0:
		return fmt.Sprintf("the chain holds, but the state after transaction %s is not the recorded one: this segno folds it otherwise than segno %s", s.Differs, s.By)
	default:
		return fmt.Sprintf("the chain holds, and every state is the recorded one; it ends with %.16s…", s.State)
	}
}

func someOf(names []string) string {
	const most = 4
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s … %d in all", strings.Join(names[:most-1], ", "), len(names))
	default:
		return strings.Join(names, ", ")
	}
}
