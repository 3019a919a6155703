package api

import (
	"net/http"
	"time"
)

// stream writes an answer that goes on and on, a piece at a time, to a client
// that has to keep up: whoever takes nothing for too long is cut off. It belongs
// to one goroutine.
type stream struct {
	w        *statusWriter
	flow     *http.ResponseController
	patience time.Duration
	pressed  bool // a deadline is set
}

func (c *call) openStream() *stream {
	return &stream{w: c.w, flow: http.NewResponseController(c.w), patience: c.api.cfg.WritePatience}
}

// write answers errGone when the client does not read any more.
func (s *stream) write(data []byte) error {
	s.press()
	if _, err := s.w.Write(data); err != nil {
		return errGone
	}
	return nil
}

// flush sends what was written. Nothing presses until more is: a stream may be
// quiet for as long as it likes.
func (s *stream) flush() error {
	s.press()
	if err := s.flow.Flush(); err != nil {
		return errGone
	}
	s.pressed = false
	_ = s.flow.SetWriteDeadline(time.Time{}) // as in press
	return nil
}

// press sets the deadline; a connection that knows none does without.
func (s *stream) press() {
	if !s.pressed {
		s.pressed = true
		_ = s.flow.SetWriteDeadline(time.Now().Add(s.patience))
	}
}
