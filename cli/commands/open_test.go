package commands

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/cli/archive"
	"segno/cli/contexts"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// untilWritten ends something once it has written a text.
type untilWritten struct {
	all  bytes.Buffer
	text string
	end  func()
}

func (u *untilWritten) Write(p []byte) (int, error) {
	n, err := u.all.Write(p)
	if strings.Contains(u.all.String(), u.text) {
		u.end()
	}
	return n, err
}

// TestE14AnOpenedFileCommandsNoTerminal: a file is somebody else's, and says what
// its cluster is called.
func TestE14AnOpenedFileCommandsNoTerminal(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(contexts.EnvHome, dir)
	fold, err := projections.Open(projections.Config{Table: kinds.Table()})
	if err != nil {
		t.Fatal(err)
	}
	defer fold.Close()
	file, err := os.Create(filepath.Join(dir, "hostile.segno"))
	if err != nil {
		t.Fatal(err)
	}
	err = archive.Write(t.Context(), file, archive.Config{
		Cluster: "x\x1b[2J\u202ey", Table: kinds.Table(), Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: fold, From: 1}},
	})
	if err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	out := &untilWritten{text: "Ctrl-C closes it", end: end}
	args := []string{"open", file.Name()}
	root := newRoot(genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: t.Output()}, args)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatal(err)
	}
	if got := out.all.String(); strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, `cluster x\u001b[2J\u202ey`) {
		t.Errorf("it says\n%q", got)
	}
}
