package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// detachedVariable tells a cluster process that it runs in the background.
const detachedVariable = "SEGNO_DETACHED"

func (o *upOptions) logFile() string { return filepath.Join(o.dataDir, "segno.log") }

// defaultDetachPatience is how long a detached cluster may take to be ready: a long
// log may have to be read first.
const defaultDetachPatience = 5 * time.Minute

// runDetached starts this very command line again in the background and waits
// until the cluster is ready.
func (o *upOptions) runDetached(ctx context.Context) error {
	if err := os.MkdirAll(o.dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	log, err := os.OpenFile(o.logFile(), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	args := append([]string{"up", "--data-dir", o.dataDir}, o.given()...)
	child := exec.Command(self, args...) // not CommandContext: it outlives this process
	child.Stdout, child.Stderr = log, log
	child.Env = append(os.Environ(), detachedVariable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	defer ours.Close()
	defer theirs.Close()
	child.ExtraFiles = []*os.File{theirs} // readinessFD
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	_ = theirs.Close() // the child has it
	ready := make(chan error, 1)
	go func() { ready <- awaitReadiness(ours) }() // ends with the pipe, or with this process
	late := time.NewTimer(o.detachPatience)
	defer late.Stop()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = fmt.Errorf("wait for the cluster: %w", ctx.Err())
	case <-late.C:
		return fmt.Errorf("the cluster is still starting (process %d); what it says is in %s, and it is ready when this finds it: segno status%s",
			child.Process.Pid, o.logFile(), dirFlag(o.dataDir))
	}
	if errors.Is(err, errEnded) {
		err := notStarted(child.Wait(), readFrom(o.logFile(), before))
		o.made.undo(ctx)
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprint(o.streams.Out, readFrom(o.logFile(), before))
	fmt.Fprintf(o.streams.Out, "It runs in the background (process %d); stop it with: segno down%s\n", child.Process.Pid, dirFlag(o.dataDir))
	return nil
}

// readFrom is what was written behind a place of a file.
func readFrom(file string, place int64) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[min(place, int64(len(data))):])
}

// notStarted tells why a detached cluster ended: what it said itself, else its
// exit status.
func notStarted(ended error, said string) error {
	if said = strings.TrimPrefix(strings.TrimSpace(said), "error: "); said != "" {
		return errors.New(said)
	}
	if ended == nil {
		return errors.New("the cluster stopped before it was ready")
	}
	return fmt.Errorf("the cluster stopped before it was ready: %w", ended)
}

// given are the flags of this command line for the one in the background.
func (o *upOptions) given() (args []string) {
	if o.flags == nil {
		return nil
	}
	o.flags.Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		if f.Name != "detach" && f.Name != "data-dir" {
			args = append(args, "--"+f.Name+"="+value)
		}
	})
	return args
}
