package proxy

import (
	"fmt"
	"strings"
)

// mostFlaws are named one by one: a Service with ten thousand broken endpoints
// is one line of a log.
const mostFlaws = 8

// flaws are what was left out of a plan.
type flaws struct {
	of    string
	named []string
	more  int
}

func (f *flaws) add(format string, args ...any) {
	if len(f.named) == mostFlaws {
		f.more++
		return
	}
	f.named = append(f.named, fmt.Sprintf(format, args...))
}

func (f *flaws) err() error {
	if len(f.named) == 0 {
		return nil
	}
	text := strings.Join(f.named, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	return fmt.Errorf("service %s: left out: %s", f.of, text)
}
