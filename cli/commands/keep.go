package commands

import (
	"fmt"
	"time"

	"segno/cli/api"
)

// keepFor reads how long something is kept; 0 is not given.
func keepFor(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, ok := api.ParseDuration(text)
	if !ok || d <= 0 {
		return 0, fmt.Errorf("%q: must be a duration of days, weeks or less, such as 90d, 2w or 36h", text)
	}
	return d, nil
}

// inDays is a duration as keepFor reads it.
func inDays(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
