package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"segno/agents/wait"
)

func TestForTakesItsTimeOrEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := wait.For(ctx, 59*time.Minute); err != nil || time.Since(begun) != 59*time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		for range 2 {
			if err := wait.For(ctx, 2*time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Hour {
				t.Errorf("%v after %s", err, time.Since(begun))
			}
		}
		if err := wait.For(ctx, 0); err == nil {
			t.Error("no time at all passed after the end")
		}
	})
}

func TestSpreadDoublesUpToTheMost(t *testing.T) {
	const first, most = 200 * time.Millisecond, 5 * time.Second
	for n, want := range map[int]time.Duration{0: first, 1: 2 * first, 4: 16 * first, 5: most, 1 << 30: most} {
		if got := wait.Doubled(first, most, n); got != want {
			t.Errorf("doubled %d times: %s, want %s", n, got, want)
		}
		seen := map[time.Duration]bool{}
		for range 50 {
			got := wait.Spread(first, most, n)
			seen[got] = true
			if got < want/2 || got > want {
				t.Errorf("doubled %d times and spread: %s, want %s to %s", n, got, want/2, want)
			}
		}
		if len(seen) < 2 {
			t.Errorf("doubled %d times: not spread, always %v", n, seen)
		}
	}
}
