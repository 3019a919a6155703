package archives

import (
	"context"
	"errors"
	"io"

	"segno/bus"
)

// Store is a place for files.
type Store interface {
	// Sizes answers the bytes of each file by its name; none where the place is not
	// there yet.
	Sizes(ctx context.Context) (map[string]int64, error)
	// Open reads a file; fs.ErrNotExist says that there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Put writes a file, whole or not at all, in the place of one of that name.
	Put(ctx context.Context, name string, r io.Reader) error
	// Close lets go of the place.
	Close() error
}

var (
	_ Store = Folder{}
	_ Store = (*bus.Bucket)(nil)
)

// source remembers what went wrong in reading a file, which is not the same as a
// file that is damaged.
type source struct {
	io.Reader
	failed error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}
