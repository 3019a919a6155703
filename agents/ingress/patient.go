package ingress

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// clientPatience is how long a client may send nothing of a body, or take nothing
// of an answer. Between the two there is no limit: an answer may take its time.
const clientPatience = time.Minute

// patient waits for a client, though not for ever.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	most    time.Duration
	late    atomic.Bool // the client sent nothing of a body for too long
}

// newPatient also bounds the wait for each part of the request's body. The server
// has set a deadline for all of it, which holds for what nobody reads.
func newPatient(w http.ResponseWriter, r *http.Request, most time.Duration) *patient {
	p := &patient{ResponseWriter: w, control: http.NewResponseController(w), most: most}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patientBody{body: r.Body, of: p}
	} else {
		p.unhurried()
	}
	return p
}

// Unwrap leads to what else the writer can do.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write implements http.ResponseWriter.
func (p *patient) Write(data []byte) (int, error) {
	defer p.bound()()
	return p.ResponseWriter.Write(data)
}

// FlushError is what http.ResponseController calls.
func (p *patient) FlushError() error {
	defer p.bound()()
	return p.control.Flush()
}

// bound begins a wait and answers what ends it. A writer without deadlines has none.
func (p *patient) bound() (end func()) {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.most)); err != nil {
		return func() {}
	}
	return func() { _ = p.control.SetWriteDeadline(time.Time{}) } // it was possible a moment ago
}

// unhurried is for a request that is here: its answer may take its time.
func (p *patient) unhurried() {
	_ = p.control.SetReadDeadline(time.Time{}) // a connection without deadlines has none
}

type patientBody struct {
	body io.ReadCloser
	of   *patient
}

// Read implements io.Reader.
func (b *patientBody) Read(data []byte) (int, error) {
	_ = b.of.control.SetReadDeadline(time.Now().Add(b.of.most)) // a connection without deadlines has none
	n, err := b.body.Read(data)
	switch {
	case errors.Is(err, io.EOF):
		b.of.unhurried()
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.of.late.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (b *patientBody) Close() error { return b.body.Close() }
