package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// readinessFD is the end of a pipe that a detached cluster is started with.
const readinessFD = 3

// readiness is how a detached cluster tells the one who started it that it is
// ready, once everything is written that person is to read.
type readiness struct{ pipe *os.File }

// openReadiness is that of this process; one that is not detached tells nobody.
func openReadiness() readiness {
	if os.Getenv(detachedVariable) == "" {
		return readiness{}
	}
	var pipe syscall.Stat_t
	if err := syscall.Fstat(readinessFD, &pipe); err != nil || pipe.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return readiness{} // somebody else set the variable
	}
	syscall.CloseOnExec(readinessFD)
	return readiness{os.NewFile(readinessFD, "readiness")}
}

func (r readiness) tell() {
	if r.pipe == nil {
		return
	}
	_, _ = r.pipe.WriteString("ready") // who started it may have left
	_ = r.pipe.Close()
}

// errEnded says that a detached cluster has ended, or soon will have, before it was ready.
var errEnded = errors.New("the cluster ended before it was ready")

// awaitReadiness waits for the other end.
func awaitReadiness(pipe io.Reader) error {
	told, err := io.ReadAll(pipe)
	if err != nil {
		return fmt.Errorf("wait for the cluster: %w", err)
	}
	if len(told) == 0 {
		return errEnded
	}
	return nil
}
