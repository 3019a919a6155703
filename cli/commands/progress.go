package commands

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressBar shows how far something long is; what is over within half a
// second is not shown at all. Several may tell it at once.
type progressBar struct {
	out     io.Writer
	mu      sync.Mutex
	started time.Time
	drawn   time.Time
}

const (
	progressPatience = 500 * time.Millisecond
	progressEvery    = 100 * time.Millisecond
	progressWidth    = 30
)

func (p *progressBar) show(what string, done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.started.IsZero() {
		p.started = now
	}
	if total == 0 || now.Sub(p.started) < progressPatience || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	full := int(min(done, total) * progressWidth / total)
	fmt.Fprintf(p.out, "\r%s [%s%s] %d of %d", what, strings.Repeat("=", full), strings.Repeat(" ", progressWidth-full), done, total)
}

// count shows how far something is whose end is not known.
func (p *progressBar) count(what string, done uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.started.IsZero() {
		p.started = now
	}
	if now.Sub(p.started) < progressPatience || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	fmt.Fprintf(p.out, "\r%s %d", what, done)
}

// end finishes the line, if there is one.
func (p *progressBar) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		fmt.Fprintln(p.out)
	}
}
