// Package dump reads lists of the kernel until they are whole.
//
// What comes in: a function that lists links, addresses, routes or neighbours.
// What goes out: what it lists. What never happens here: a list of which the kernel
// said that it changed while it was read, with entries missing or old.
//
// All of it is in this file.
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// most is how often a list is read. Links that come and go with pods interrupt one
// reading, seldom two, and never as many.
const most = 20

// Whole reads a list again when something changed meanwhile.
func Whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range most {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, err
}
