package projections

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"segno/events"
	"segno/proto"
)

// readAll opens the folder as a start does, and reads all that is in it.
func readAll(dir string, last proto.Seq, log *slog.Logger) error {
	p, err := Open(Config{Dir: dir, Table: table, Log: log})
	if err != nil {
		return err
	}
	defer p.Close()
	for seq := proto.Seq(1); seq <= last; seq++ {
		if _, err := p.Encoded(seq); err != nil {
			return err
		}
	}
	for _, resource := range []proto.Resource{pods, configMaps, notes} {
		if _, err := p.View().List(events.Query{Resource: resource}); err != nil {
			return err
		}
	}
	return nil
}

// flushed is the folder of a log in tables, and those.
func flushed(t *testing.T, log []proto.Entry) (dir string, tables []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	p, err := Open(Config{Dir: dir, Table: table, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, p, log...)
	if err := p.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if tables, err = filepath.Glob(filepath.Join(dir, "*.sst")); err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	return dir, tables
}

func TestE2ADamagedTableSaysWhatToDo(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 1)), 300)
	for name, c := range map[string]struct {
		damage func(t *testing.T, file string, data []byte) error
		want   string
	}{
		"a bit is flipped at the beginning": {flip(0.1), "checksum mismatch"},
		"a bit is flipped in the middle":    {flip(0.5), "checksum mismatch"},
		"a bit is flipped at the end":       {flip(1), "pebble/table: invalid table"},
		"it is cut": {func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, data[:len(data)-7], 0o600)
		}, "object size mismatch"},
		"it is gone": {func(_ *testing.T, file string, _ []byte) error { return os.Remove(file) }, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, tables := flushed(t, log)
			data, err := os.ReadFile(tables[0])
			if err == nil {
				err = c.damage(t, tables[0], data)
			}
			if err != nil {
				t.Fatal(err)
			}
			var lines bytes.Buffer
			err = readAll(dir, proto.Seq(len(log)), slog.New(slog.NewTextHandler(&lines, nil)))
			if err == nil {
				t.Fatal("nothing is said of it")
			}
			t.Log(err)
			advice := "stop segno, delete the folder " + dir + " and start again: it is folded again from the log"
			for _, part := range []string{"the fold in " + dir + " is damaged (", c.want, advice} {
				if strings.Count(err.Error(), part) != 1 {
					t.Errorf("%q is not in it once", part)
				}
			}
			if strings.Contains(err.Error(), "carrier") {
				t.Error("it has noise in it")
			}
			for line := range strings.Lines(lines.String()) {
				if strings.Contains(line, "level=ERROR") && !strings.Contains(line, advice) {
					t.Errorf("the log does not say what to do: %s", line)
				}
			}
		})
	}
}

// flip changes one bit at a part of a file's length.
func flip(part float64) func(t *testing.T, file string, data []byte) error {
	return func(_ *testing.T, file string, data []byte) error {
		data[int(part*float64(len(data)-1))] ^= 4
		return os.WriteFile(file, data, 0o600)
	}
}
