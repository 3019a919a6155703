package checkpoint

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"segno/cli/internal/replace"
)

// Files of the key in its folder. The public half is for whoever asks.
const (
	privateFile = "checkpoint.key"
	publicFile  = "checkpoint.pub"
)

// Key signs a cluster's checkpoints. Public is what checks them.
type Key struct {
	Public  string
	private string
}

// NewKey makes a key for the log of that name, which all its checkpoints then
// have as their origin.
func NewKey(origin string) (Key, error) {
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return Key{}, fmt.Errorf("make a key for checkpoints: %w", err)
	}
	return Key{Public: public, private: private}, nil
}

// KeptKey reads the key in the folder, or makes one there.
func KeptKey(dir, origin string) (Key, error) {
	private, err := os.ReadFile(filepath.Join(dir, privateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newKept(dir, origin)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read the key for checkpoints: %w", err)
	}
	public, err := os.ReadFile(filepath.Join(dir, publicFile))
	if err != nil {
		return Key{}, fmt.Errorf("read the key for checkpoints: %w", err)
	}
	k := Key{Public: strings.TrimSpace(string(public)), private: strings.TrimSpace(string(private))}
	return k, k.check(dir)
}

// check finds halves that do not belong together, while that can be mended.
func (k Key) check(dir string) error {
	signed, err := k.Sign(Checkpoint{Stream: "-"})
	if err == nil {
		_, err = Open(signed, k.Public)
	}
	if err != nil {
		return fmt.Errorf("the key for checkpoints in %s is damaged (%w): restore %s and %s from a backup, or remove both for a new key",
			dir, err, privateFile, publicFile)
	}
	return nil
}

func newKept(dir, origin string) (Key, error) {
	k, err := NewKey(origin)
	if err != nil {
		return k, err
	}
	// The private half comes last: it says that there is a key.
	if err := replace.File(filepath.Join(dir, publicFile), []byte(k.Public+"\n")); err != nil {
		return k, fmt.Errorf("keep the key for checkpoints: %w", err)
	}
	if err := replace.File(filepath.Join(dir, privateFile), []byte(k.private+"\n")); err != nil {
		return k, fmt.Errorf("keep the key for checkpoints: %w", err)
	}
	return k, nil
}
