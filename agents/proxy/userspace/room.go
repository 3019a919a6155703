package userspace

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// usualFiles is how many a process may have open where it cannot be asked.
const usualFiles = 1024

// room is for so many connections and flows: each has files open, and the rest of
// this process needs some, too.
type room struct {
	most    int64
	taken   atomic.Int64
	refused atomic.Int64 // since it was last asked
}

// roomy leaves half of the files of this process to others.
func roomy() *room {
	limit := unix.Rlimit{Cur: usualFiles}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	const perConnection = 2
	return &room{most: int64(min(limit.Cur, 1<<30)) / perConnection / 2}
}

func (r *room) enter() bool {
	if r.taken.Add(1) <= r.most {
		return true
	}
	r.taken.Add(-1)
	r.refused.Add(1)
	return false
}

func (r *room) leave() { r.taken.Add(-1) }
