package docker

import (
	"os"
	"strconv"
	"strings"
)

// capSysResource lets a process lower a score below its own.
const capSysResource = 24

// lowestOOMScore is the lowest that can be set on this machine: without the
// capability the engine cannot start a container with a lower one at all. The
// agent stands for the engine, which runs on the same machine.
func lowestOOMScore() int {
	const lowest = -1000
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			if err == nil && caps&(1<<capSysResource) != 0 {
				return lowest
			}
		}
	}
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return 0
	}
	score, _ := strconv.Atoi(strings.TrimSpace(string(own)))
	return score
}
