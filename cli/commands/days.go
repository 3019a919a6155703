package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days reads a number of days, such as 90d.
func days(text string) (time.Duration, error) {
	number, found := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(number, 10, 16)
	if !found || err != nil {
		return 0, fmt.Errorf("%q: must be a number of days, such as 90d", text)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// keepFor reads how long something is kept: 90d, or a duration such as 36h.
func keepFor(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := days(text); err == nil {
		return d, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: must be a number of days such as 90d, or a duration such as 36h", text)
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
