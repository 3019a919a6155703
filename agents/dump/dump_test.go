package dump

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAListIsReadUntilItIsWhole(t *testing.T) {
	for _, test := range []struct {
		interrupted int
		then        error
		want        []int
		err         error
	}{
		{0, nil, []int{1, 2}, nil},
		{3, nil, []int{1, 2}, nil},
		{3, errors.ErrUnsupported, nil, errors.ErrUnsupported},
		{most, nil, nil, netlink.ErrDumpInterrupted},
	} {
		readings := 0
		got, err := Whole(func() ([]int, error) {
			if readings++; readings <= test.interrupted {
				return []int{1}, netlink.ErrDumpInterrupted
			}
			if test.then != nil {
				return nil, test.then
			}
			return []int{1, 2}, nil
		})
		if !slices.Equal(got, test.want) || !errors.Is(err, test.err) {
			t.Errorf("%d times interrupted: %v, %v; want %v, %v", test.interrupted, got, err, test.want, test.err)
		}
	}
}
