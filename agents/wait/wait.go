// Package wait is how the parts of an agent let time pass.
//
// What comes in: a context, durations. What goes out: the moment itself, or
// that the context ended before it. What never happens here: a goroutine, a
// loop; who tries again, and how often, is the caller's.
//
// All of it is in this file.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

// For lets the time pass. An error is the end of ctx.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Doubled is first·2ⁿ, at most most.
func Doubled(first, most time.Duration, n int) time.Duration {
	d := first
	for ; n > 0 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}

// Spread is Doubled at random from its half on: a thousand nodes do not come
// back in the same moment.
func Spread(first, most time.Duration, n int) time.Duration {
	d := Doubled(first, most, n)
	return d/2 + rand.N(d/2+1)
}
