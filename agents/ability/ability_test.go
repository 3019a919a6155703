package ability_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"segno/agents/ability"
)

// TestTheKernelSaysTheSame in its file about this process.
func TestTheKernelSaysTheSame(t *testing.T) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	effective, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for c := range unix.CAP_LAST_CAP + 1 {
		if has, err := ability.Has(c); err != nil || has != (effective&(1<<c) != 0) {
			t.Errorf("capability %d: %t, %v; all of them: %x", c, has, err, effective)
		}
	}
	if has, err := ability.Has(unix.CAP_CHOWN, 63); err != nil || has { // there is none of that number
		t.Errorf("one that nobody has: %t, %v", has, err)
	}
}
