package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"segno/cli/internal/replace"
)

// Run describes a cluster process on this machine. `segno up` writes it, so
// that status, down and delete find the process from any folder.
type Run struct {
	Name    string    `json:"name"` // of the context
	PID     int       `json:"pid"`
	Birth   string    `json:"birth"` // start time of the process: a reused PID is not it
	DataDir string    `json:"dataDir"`
	Server  string    `json:"server"`
	Bus     string    `json:"bus"`
	Runtime string    `json:"runtime"`
	Started time.Time `json:"started"`
	Log     string    `json:"log,omitempty"` // of a detached cluster
}

func runFolder() string { return filepath.Join(Home(), "run") }

func (r Run) file() string { return filepath.Join(runFolder(), r.Name+".json") }

// Save writes the run file.
func (r Run) Save() error {
	r.Birth = birth(r.PID)
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the run file: %w", err)
	}
	return replace.File(r.file(), data)
}

// Forget removes the run file.
func (r Run) Forget() error {
	if err := os.Remove(r.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the run file: %w", err)
	}
	return nil
}

// Alive tells whether the process still runs.
func (r Run) Alive() bool {
	return r.PID > 0 && syscall.Kill(r.PID, 0) == nil && birth(r.PID) == r.Birth
}

// Runs lists the clusters that were started on this machine and not cleanly
// stopped, by name; some may be dead (Alive).
func Runs() ([]Run, error) {
	files, err := filepath.Glob(filepath.Join(runFolder(), "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list run files: %w", err)
	}
	var runs []Run
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // stopped meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read the run file: %w", err)
		}
		var run Run
		if json.Unmarshal(data, &run) != nil {
			continue // nobody's: ours are written all at once
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// birth is the start time of a process in clock ticks since boot (field 22 of
// /proc/PID/stat, proc(5)), or "" when it does not run.
func birth(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The command, in parentheses, may hold spaces: count from behind it.
	end := strings.LastIndexByte(string(stat), ')')
	fields := strings.Fields(string(stat[end+1:]))
	const startTime = 22 - 3
	if len(fields) <= startTime || fields[0] == "Z" {
		return ""
	}
	return fields[startTime]
}
