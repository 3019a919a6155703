package commands

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/archive"
	"segno/cli/cluster"
	"segno/cli/contexts"
	"segno/cli/incident"
)

func newBackup(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var withoutKeys, overwrite bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write the whole cluster to one file, while it runs",
		Long: "Write everything to one file, while the cluster runs and takes writes: all logs with their whole history, the settings that\n" +
			"are remembered, and the keys by which nodes and clients know the cluster. It is as of one sequence, and is read back when\n" +
			"it is written. segno restore-cluster makes a cluster of it. The record of requests (segno audit) is in it, too.\n\n" +
			"The file is not encrypted: whoever has it has every Secret, and, unless --without-keys leaves them out, the cluster's keys.",
		Example: `  segno backup monday.backup
  segno backup verify monday.backup

  # Without what proves who the cluster is: nodes then join anew, and clients get new certificates
  segno backup monday.backup --without-keys`,
		Args: exactly(1, "which file? Name it as in: segno backup monday.backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params := url.Values{"keys": {fmt.Sprint(!withoutKeys)}}
			save := saving{file: args[0], overwrite: overwrite, what: "backup", streams: streams}
			held, err := save.ask(cmd.Context(), c, "backup", params)
			if err != nil {
				return err
			}
			tellBackup(streams.Out, args[0], held)
			fmt.Fprintln(streams.Out, "Make a cluster of it with: segno restore-cluster "+args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&withoutKeys, "without-keys", false, "Leave the keys of the cluster out")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "Replace the file if it is there")
	cmd.AddCommand(newBackupVerify(streams))
	return cmd
}

func tellBackup(out io.Writer, file string, held archive.Contents) {
	tellHeld(out, file, held)
	fmt.Fprintln(out, "  "+auditHeld(held.Header, held.Audit))
	if held.Header.Keys {
		fmt.Fprintln(out, "  The keys of the cluster are in it: keep it as you keep these.")
	} else {
		fmt.Fprintln(out, "  The keys of the cluster are not in it: nodes will have to join again.")
	}
}

// auditHeld says what of the record of requests is in a file.
func auditHeld(header archive.Header, held archive.AuditHeld) string {
	switch {
	case header.Audit == nil:
		return "The record of requests (segno audit) is not in it."
	case held.Problem != "":
		return fmt.Sprintf("AUDIT   %d requests in %d messages; it was damaged before: %s", held.Events, held.Last-held.First+1, held.Problem)
	case held.Last == 0:
		return "AUDIT   no requests"
	}
	return fmt.Sprintf("AUDIT   %d requests in %d messages", held.Events, held.Last-held.First+1)
}

func newBackupVerify(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Prove that a backup is whole and gives the state that was recorded",
		Long: "Read a backup, check its hash chain, and fold it into a scratch folder: every state must be the one that the cluster recorded.",
		Args: exactly(1, "which file? Name it as in: segno backup verify monday.backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verifyBackup(cmd.Context(), streams, args[0])
		},
	}
}

func verifyBackup(ctx context.Context, streams genericiooptions.IOStreams, name string) error {
	bar := &progressBar{out: streams.ErrOut}
	opened, err := incident.Open(ctx, incident.Config{
		File: name, Progress: func(done, total int64) { bar.show("verifying "+name, uint64(done), uint64(total)) },
	})
	bar.end()
	if err != nil {
		return err
	}
	defer opened.Close()
	s, err := opened.Summary()
	switch {
	case err != nil:
		return err
	case !s.Backup:
		return fmt.Errorf("%s is no backup but an exported span, which segno open reads", name)
	case s.Differs > 0:
		return fmt.Errorf("%s: %s", name, checkedText(s))
	}
	fmt.Fprintf(streams.Out, "%s: %s\n  %d objects in state %s\n  %s\n  %s\n", name, tellsOf(s.Header), s.Objects, s.State, checkedText(s), auditHeld(s.Header, s.Requests))
	return nil
}

func newRestoreCluster(streams genericiooptions.IOStreams) *cobra.Command {
	var dataDir string
	var verbose bool
	cmd := &cobra.Command{
		Use: "restore-cluster FILE", Short: "Make a cluster of a backup",
		Long: "Make a data directory of a backup, for segno up to start: the same state at the same sequence, with the same history,\n" +
			"and, when its keys are in the backup, the same cluster for nodes and clients. The directory must not be there, or be empty.",
		Example: `  segno restore-cluster monday.backup
  segno restore-cluster monday.backup --data-dir /srv/segno`,
		Args: exactly(1, "which file? Name it as in: segno restore-cluster monday.backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(dataDir)
			if err != nil {
				return fmt.Errorf("data directory: %w", err)
			}
			return restoreCluster(cmd.Context(), streams, args[0], dir, verbose)
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", contexts.DataDir(), "Folder of everything that lasts")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Log what happens inside")
	return cmd
}

func restoreCluster(ctx context.Context, streams genericiooptions.IOStreams, name, dir string, verbose bool) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("restore a cluster: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("restore a cluster: %w", err)
	}
	bar := &progressBar{out: streams.ErrOut}
	total := uint64(info.Size())
	restored, err := cluster.Restore(ctx, cluster.RestoreConfig{
		Backup: &metered{Reader: file, tell: func(done uint64, _ error) { bar.show("restoring "+name, done, total) }},
		File:   filepath.Base(name), DataDir: dir, Name: clusterName(dir), Log: newLogger(streams.ErrOut, verbose),
	})
	bar.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "%s is restored to %s: %s, state %.16s…\n", name, dir, tellsOf(restored.Header), restored.State)
	fmt.Fprintln(streams.Out, auditHeld(restored.Header, restored.Requests))
	if restored.Keys {
		fmt.Fprintln(streams.Out, "Nodes and clients that knew the cluster find it again at its address. Do not run it beside the one that was backed up: to them, and to its engines, both are the same.")
	} else {
		fmt.Fprintln(streams.Out, "Its keys were not in the backup: delete the nodes of before and have them join again (segno token create).")
	}
	if restored.Archive != "" {
		fmt.Fprintf(streams.Out, "The folder of archives %s stays that of the cluster that was backed up: this one archives into %s, or where segno up --archive says.\n",
			restored.Archive, filepath.Join(dir, "archive"))
	}
	fmt.Fprintf(streams.Out, "Start it with: segno up%s\nThe first start writes the log's files from the restored state.\n", dirFlag(dir))
	return nil
}
