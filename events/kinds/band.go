package kinds

// A band is a range of numbers of which the first are given out last.
type band struct{ size, reserved uint32 }

// find answers the first free number, beginning at a place that the seed
// chooses: nothing is drawn at random, so that the same command decides the
// same way again, and yet neighbours are rarely given out one after the other.
func (b band) find(seed uint32, taken func(uint32) bool) (uint32, bool) {
	open := b.size - b.reserved
	for i := range open {
		if n := b.reserved + (seed%open+i)%open; !taken(n) {
			return n, true
		}
	}
	for n := range b.reserved {
		if !taken(n) {
			return n, true
		}
	}
	return 0, false
}
