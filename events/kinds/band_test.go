package kinds

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS1BandGivesEverything: whatever the seed, a range is given out to its
// last number, and what is kept for people's own choice goes last.
func TestS1BandGivesEverything(t *testing.T) {
	for _, seed := range []uint32{0, 1, 99, 1 << 31, 1<<32 - 1} {
		b := band{size: 100, reserved: 20}
		var given []uint32
		for {
			n, ok := b.find(seed, func(n uint32) bool { return slices.Contains(given, n) })
			if !ok {
				break
			}
			given = append(given, n)
		}
		if len(given) != 100 {
			t.Fatalf("seed %d: %d numbers given", seed, len(given))
		}
		for i, n := range given {
			if n >= 100 || (n < 20) != (i >= 80) || slices.Index(given, n) != i {
				t.Errorf("seed %d: number %d is %d", seed, i, n)
			}
		}
	}
}

// TestS1Addresses: the range begins and ends inside the network.
func TestS1Addresses(t *testing.T) {
	if got := clusterIP(0); got != "10.96.0.1" {
		t.Errorf("first is %s", got)
	}
	if got := clusterIP(clusterIPs.size - 1); got != "10.96.255.254" {
		t.Errorf("last is %s", got)
	}
}

// TestS7TheAddressOfTheDNSIsNotGivenOut: not even when it is the last.
func TestS7TheAddressOfTheDNSIsNotGivenOut(t *testing.T) {
	u := &used{ips: map[string]bool{}}
	for n := range clusterIPs.size {
		u.ips[clusterIP(n)] = clusterIP(n) != ClusterDNS.String()
	}
	if errs := u.assignIP(&corev1.Service{}, nil); len(errs) != 1 {
		t.Errorf("%v", errs)
	}
	u.ips["10.96.0.9"] = false
	service := &corev1.Service{}
	if errs := u.assignIP(service, nil); len(errs) != 0 || service.Spec.ClusterIP != "10.96.0.9" {
		t.Errorf("%s, %v", service.Spec.ClusterIP, errs)
	}
}
