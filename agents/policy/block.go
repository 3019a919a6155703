package policy

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
)

// rangesOf are the addresses of a block without the exceptions, in order.
func rangesOf(block *networkingv1.IPBlock) ([]Range, error) {
	whole, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return nil, fmt.Errorf("ipBlock.cidr: %w", err)
	}
	all := span(whole)
	var holes []Range
	for _, text := range block.Except {
		hole, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("ipBlock.except: %w", err)
		}
		if hole.Overlaps(whole) {
			holes = append(holes, span(hole))
		}
	}
	slices.SortFunc(holes, func(a, b Range) int { return a.From.Compare(b.From) })
	var out []Range
	for from := all.From; ; {
		if len(holes) == 0 {
			return append(out, Range{from, all.To}), nil
		}
		hole := holes[0]
		holes = holes[1:]
		if from.Less(hole.From) {
			out = append(out, Range{from, hole.From.Prev()})
		}
		if !hole.To.Less(all.To) {
			return out, nil
		}
		if next := hole.To.Next(); from.Less(next) {
			from = next
		}
	}
}

func span(p netip.Prefix) Range {
	last := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(last); bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	to, _ := netip.AddrFromSlice(last)
	return Range{p.Masked().Addr(), to}
}
