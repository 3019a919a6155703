package replace

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestFilesAreWholeWhoeverWritesThem: readers beside several writers find one
// of the contents, and nothing else is left behind.
func TestFilesAreWholeWhoeverWritesThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := File(path, contents[0]); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, data := range contents {
		all.Go(func() {
			for range 20 {
				if err := File(path, data); err != nil {
					t.Error(err)
				}
				got, err := os.ReadFile(path)
				if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := File(filepath.Dir(path), nil); err == nil {
		t.Error("a folder was replaced")
	}
}
