package api

import (
	"strconv"
	"strings"
	"time"
)

// longest is as long as weeks, days and the rest are each taken: ninety years, so
// that their sum does not overflow.
const longest = 90 * 365 * 24 * time.Hour

// longUnits are those that Go's durations lack, in the order in which they are
// written.
var longUnits = []struct {
	sign string
	long time.Duration
}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}}

// ParseDuration reads how long: a duration as Go writes it ("36h"), with weeks and
// days of 24 hours before it ("90d", "1w2d12h").
func ParseDuration(text string) (sum time.Duration, ok bool) {
	for _, unit := range longUnits {
		number, rest, found := strings.Cut(text, unit.sign)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n > uint64(longest/unit.long) {
			return 0, false
		}
		sum += time.Duration(n) * unit.long
		if text = rest; text == "" {
			return sum, true
		}
	}
	rest, err := time.ParseDuration(text)
	if err != nil || sum > 0 && (rest < 0 || rest > longest) {
		return 0, false
	}
	return sum + rest, true
}
