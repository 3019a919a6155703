package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"segno/cli/api"
)

// presentOnly are the commands that change things, or touch what exists only
// now; the past has neither.
var presentOnly = []string{
	"up", "down", "token", "join", "create", "run", "expose", "set", "edit", "delete", "apply", "diff", "patch", "replace",
	"scale", "autoscale", "epoch", "rollout undo", "rollout pause", "rollout resume", "rollout restart",
	"fork ls", "fork rm", "fork advance", "fork diff", "logs", "exec", "attach", "port-forward", "cp", "debug", "cordon", "uncordon", "drain", "taint",
	"undo",
}

// checkMoment refuses what is no moment, and what cannot be done in the past,
// before anything is asked: kubectl's discovery would come first, and would
// not tell why it failed.
func (c *client) checkMoment(cmd *cobra.Command) error {
	if c.at == "" {
		return nil
	}
	now := c.now()
	if _, err := api.ParseMoment(c.at, now); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	at, err := exactMoment(c.at, now, true)
	if err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	c.at = at
	words := strings.Fields(cmd.CommandPath())[1:]
	if slices.Contains(presentOnly, strings.Join(words[:min(1, len(words))], " ")) ||
		slices.Contains(presentOnly, strings.Join(words[:min(2, len(words))], " ")) {
		return fmt.Errorf("the past is read-only: %q takes no --at", cmd.CommandPath())
	}
	return nil
}

// exactMoment is a moment as the server is told it: a clock time, which is the
// person's own, with its zone. Printed times are cut at their last digit: through
// takes all that happened until the next.
func exactMoment(text string, now time.Time, through bool) (string, error) {
	if !strings.Contains(text, ":") {
		return text, nil // a sequence, or as long ago as the server's clock says
	}
	moment, err := api.ParseMoment(text, now)
	if err != nil {
		return "", err
	}
	at := moment.Time
	if through && !strings.Contains(text, "T") && strings.Count(text, ":") == 2 {
		if at = at.Add(lastDigit(text) - 1); at.After(now) {
			at = now
		}
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// lastDigit is what the last digit of a clock time with seconds counts.
func lastDigit(text string) time.Duration {
	_, fraction, _ := strings.Cut(text, ".")
	unit := time.Second
	for range fraction {
		unit /= 10
	}
	return max(unit, 1)
}
