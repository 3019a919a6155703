package kinds

// fill sets *field to value when it is empty.
func fill[T comparable](field *T, value T) {
	var empty T
	if *field == empty {
		*field = value
	}
}

// fillPointer points *field to value when it points nowhere.
func fillPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// deref answers what p points to, or otherwise when it points nowhere.
func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
