package commands

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestU4SeveralLogsShareTheBar is for the race detector, and for lines that are
// whole.
func TestU4SeveralLogsShareTheBar(t *testing.T) {
	var out bytes.Buffer
	bar := &progressBar{out: &out, started: time.Now().Add(-time.Hour)}
	var all sync.WaitGroup
	for _, log := range []string{"EVENTS", "NOTES", "LEASES"} {
		all.Go(func() {
			for i := range uint64(1000) {
				bar.show("reading the log "+log, i, 1000)
			}
		})
	}
	all.Wait()
	bar.end()
	for _, line := range strings.Split(strings.Trim(out.String(), "\r\n"), "\r") {
		if !strings.HasPrefix(line, "reading the log ") || !strings.HasSuffix(line, " of 1000") {
			t.Errorf("line %q", line)
		}
	}
}
