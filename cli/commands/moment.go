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
	"scale", "autoscale", "rollout undo", "rollout pause", "rollout resume", "rollout restart",
	"logs", "exec", "attach", "port-forward", "cp", "debug", "cordon", "uncordon", "drain", "taint",
}

// checkMoment refuses what is no moment, and what cannot be done in the past,
// before anything is asked: kubectl's discovery would come first, and would
// not tell why it failed.
func (c *client) checkMoment(cmd *cobra.Command) error {
	if c.at == "" {
		return nil
	}
	if _, err := api.ParseMoment(c.at, time.Now()); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	words := strings.Fields(cmd.CommandPath())[1:]
	if slices.Contains(presentOnly, strings.Join(words[:min(1, len(words))], " ")) ||
		slices.Contains(presentOnly, strings.Join(words[:min(2, len(words))], " ")) {
		return fmt.Errorf("the past is read-only: %q takes no --at", cmd.CommandPath())
	}
	return nil
}
