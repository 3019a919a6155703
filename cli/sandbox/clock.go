package sandbox

import (
	"sync/atomic"
	"time"
)

// clock stands still until it is set.
type clock struct{ nanoseconds atomic.Int64 }

// Now is the sandbox's time.
func (c *clock) Now() time.Time { return time.Unix(0, c.nanoseconds.Load()).UTC() }

// set moves it on; it never goes back.
func (c *clock) set(to time.Time) {
	c.nanoseconds.Store(max(c.nanoseconds.Load(), to.UnixNano()))
}
