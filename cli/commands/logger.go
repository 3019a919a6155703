package commands

import (
	"context"
	"io"
	"log/slog"

	"k8s.io/klog/v2"
)

// newLogger is what a process that stays logs with: warnings, and with verbose
// everything. Libraries of Kubernetes then log to it, too.
func newLogger(out io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	klog.SetSlogLogger(slog.New(quiet{logger.Handler()}))
	return logger
}

// quiet lets everything be a detail: what those libraries call an error is
// that a client hung up, and what matters comes back to us as an error anyway.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler. Errors come unasked whether they are enabled.
func (q quiet) Handle(ctx context.Context, record slog.Record) error {
	if !q.Enabled(ctx, record.Level) {
		return nil
	}
	record.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
