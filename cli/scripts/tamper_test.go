package scripts

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// tamper replaces a text by another of the same length in the one of the files
// that has it, as an editor of files would: tamper GLOB OLD NEW.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: tamper GLOB OLD NEW, both as long")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		ts.Check(err)
		at := bytes.Index(data, []byte(args[1]))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		ts.Check(err)
		_, err = f.WriteAt([]byte(args[2]), int64(at))
		ts.Check(err)
		ts.Check(f.Close())
		return
	}
	ts.Fatalf("none of %d files has %q", len(files), args[1])
}
