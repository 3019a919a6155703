package kinds

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ordinaryIP refuses addresses that no traffic of another host can reach. The
// address is well-formed.
func ordinaryIP(path *field.Path, ip string) field.ErrorList {
	addr, err := netip.ParseAddr(ip)
	if err != nil { // forms that only older rules allow
		return nil
	}
	addr = addr.Unmap()
	return slices.Concat(
		only(addr.IsUnspecified(), field.Invalid(path, ip, "may not be unspecified (0.0.0.0 or ::)")),
		only(addr.IsLoopback(), field.Invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")),
		only(addr.IsLinkLocalUnicast(), field.Invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")),
		only(addr.IsLinkLocalMulticast(), field.Invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")),
	)
}
