package docker

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"segno/agents/ability"
)

// lowestOOMScore is the lowest that can be set on this machine: without the
// capability the engine cannot start a container with a lower one at all. The
// agent stands for the engine, which runs on the same machine.
func lowestOOMScore() int {
	const lowest = -1000
	if able, err := ability.Has(unix.CAP_SYS_RESOURCE); err == nil && able {
		return lowest
	}
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return 0
	}
	score, _ := strconv.Atoi(strings.TrimSpace(string(own)))
	return score
}
