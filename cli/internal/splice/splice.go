// Package splice joins two streams into one.
//
// What comes in: both ends, each with what is read of it. What goes out: bytes,
// both ways. What never happens here: a look at the bytes, an error that is told
// (it is one side going away).
//
// All of it is in this file.
package splice

import (
	"io"

	"golang.org/x/sync/errgroup"
)

// Join copies from each end to the other, and closes the one that no more comes
// for, until both ways have ended.
func Join(near io.WriteCloser, fromNear io.Reader, far io.WriteCloser, fromFar io.Reader) {
	var both errgroup.Group
	both.Go(func() error { return pour(far, fromNear) })
	both.Go(func() error { return pour(near, fromFar) })
	_ = both.Wait() // an error here is one side going away
}

func pour(to io.WriteCloser, from io.Reader) error {
	defer to.Close()
	_, err := io.Copy(to, from)
	return err
}
