package api

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// gzipFrom is the size from which an answer is compressed: below, the work
// costs more than the bytes.
const gzipFrom = 128 << 10

var gzipPool = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // a constant level cannot fail
	return w
}}

// body is an answer on its way out: small ones leave whole, with their length;
// large ones as a stream, compressed when the client can read that.
type body struct {
	w     http.ResponseWriter
	code  int
	zip   bool
	held  []byte
	out   io.Writer // nil until the answer has begun
	gz    *gzip.Writer
	empty bool // HEAD: headers only
}

func newBody(w http.ResponseWriter, r *http.Request, code int, mediaType string) *body {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	return &body{w: w, code: code, zip: takesGzip(r), empty: r.Method == http.MethodHead}
}

func takesGzip(r *http.Request) bool {
	for _, c := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(c), ";")
		if name == "gzip" && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// Write implements io.Writer.
func (b *body) Write(data []byte) (int, error) {
	if b.out == nil && len(b.held)+len(data) <= gzipFrom {
		b.held = append(b.held, data...)
		return len(data), nil
	}
	if b.out == nil {
		if err := b.begin(); err != nil {
			return 0, err
		}
	}
	return b.out.Write(data)
}

func (b *body) begin() error {
	b.out = b.w
	if b.empty {
		b.out = io.Discard
	}
	if b.zip {
		b.w.Header().Set("Content-Encoding", "gzip")
		b.gz = gzipPool.Get().(*gzip.Writer)
		b.gz.Reset(b.out)
		b.out = b.gz
	}
	b.w.WriteHeader(b.code)
	if _, err := b.out.Write(b.held); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	b.held = nil
	return nil
}

// Close sends what is held.
func (b *body) Close() error {
	if b.out == nil {
		b.w.Header().Set("Content-Length", strconv.Itoa(len(b.held)))
		b.w.WriteHeader(b.code)
		if b.empty {
			return nil
		}
		_, err := b.w.Write(b.held)
		return err
	}
	if b.gz == nil {
		return nil
	}
	err := b.gz.Close()
	b.gz.Reset(io.Discard)
	gzipPool.Put(b.gz)
	b.gz = nil
	return err
}
