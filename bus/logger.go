package bus

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// logger carries the server's log lines to slog. Notices are for debugging:
// a person who starts a cluster did not ask about NATS.
type logger struct {
	log       *slog.Logger
	strangers strangers
	early     atomic.Bool           // not all who may connect are known yet
	audit     atomic.Pointer[Audit] // is told whom the server refuses
	mu        sync.Mutex
	err       error // first fatal line: the server only logs why it did not start
}

// Noticef implements the server's Logger.
func (l *logger) Noticef(format string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

// Warnf implements the server's Logger.
func (l *logger) Warnf(format string, v ...any) { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }

// Errorf implements the server's Logger. Who is refused is no error of the
// server, and is told of once in a while only.
func (l *logger) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	_, who, refused := strings.Cut(text, natsd.ErrAuthentication.Error())
	if refused && l.early.Load() {
		l.log.Debug("a connection is to come again, once it is known who may connect", "who", who)
		return
	}
	if audit := l.audit.Load(); audit != nil {
		audit.refusedByServer(text)
	}
	if !refused {
		l.log.Error("nats: " + text)
		return
	}
	if l.strangers.tells(who, time.Now()) {
		l.log.Warn("a connection is refused: its key is of no node or person that is known, or its token has been used", "who", text)
	}
}

// Debugf implements the server's Logger.
func (l *logger) Debugf(format string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

// Tracef implements the server's Logger.
func (l *logger) Tracef(format string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

// Fatalf implements the server's Logger; Run answers the line as its error.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	f := fatal{text: fmt.Sprintf(format, v...)}
	for _, arg := range v {
		if cause, ok := arg.(error); ok {
			f.cause = cause
		}
	}
	l.err = f
}

// fatal answers the first fatal line and forgets it.
func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	l.err = nil
	return err
}

// fatal is a line of a server that gives up, with the error that it tells of.
type fatal struct {
	text  string
	cause error
}

func (f fatal) Error() string { return f.text }

func (f fatal) Unwrap() error { return f.cause }
