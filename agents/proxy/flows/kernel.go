package flows

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var families = [2]netlink.InetFamily{unix.AF_INET, unix.AF_INET6}

// Kernel is the table of connections of the caller's network namespace. The zero
// value works; it may be used by many at once.
type Kernel struct {
	Logger *slog.Logger // nil is nobody's

	// delete is the kernel's, but for tests.
	delete func(family netlink.InetFamily, filter netlink.CustomConntrackFilter) error
	lacks  atomic.Bool // it was said that nothing can be forgotten
}

// forget deletes what a filter matches. Where the kernel shows no table,
// that is said once and is no failure: whoever tries again would meet the same,
// and what else he has to do would wait.
func (k *Kernel) forget(family netlink.InetFamily, filter netlink.CustomConntrackFilter) error {
	do := k.delete
	if do == nil {
		do = deleteFlows
	}
	err := do(family, filter)
	if err == nil {
		k.lacks.Store(false)
		return nil
	}
	if !lacking(err) {
		return err
	}
	if !k.lacks.Swap(true) && k.Logger != nil {
		k.Logger.Warn("clients of UDP may go on to backends that are gone, until they pause: the kernel does not show its connections (it needs the module nf_conntrack_netlink)", "error", err)
	}
	return nil
}

func deleteFlows(family netlink.InetFamily, filter netlink.CustomConntrackFilter) error {
	_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter)
	return err
}

// lacking says that the kernel has nobody who answers about connections.
func lacking(err error) bool {
	for _, code := range []error{unix.EINVAL, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
