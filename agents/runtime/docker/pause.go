package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const pauseRepository = "segno/pause"

func (e *Engine) pauseImage() string { return pauseRepository + ":" + e.cfg.PauseTag }

// ensurePause makes the image of sandboxes when the engine does not have it:
// one layer with one static program, no registry involved.
func (e *Engine) ensurePause(ctx context.Context) error {
	e.pauseMu.Lock()
	defer e.pauseMu.Unlock()
	if e.pauseReady {
		return nil
	}
	_, err := e.api.ImageInspect(ctx, e.pauseImage())
	switch {
	case err == nil:
		e.pauseReady = true
		return nil
	case !cerrdefs.IsNotFound(err):
		return e.fault(ctx, "look for image "+e.pauseImage(), err)
	}
	if err := e.importPause(ctx); err != nil {
		return err
	}
	e.pauseReady = true
	return nil
}

// forgetPause is called when the image turned out to be gone.
func (e *Engine) forgetPause() {
	e.pauseMu.Lock()
	defer e.pauseMu.Unlock()
	e.pauseReady = false
}

func (e *Engine) importPause(ctx context.Context) error {
	layer, err := pauseLayer(e.cfg.PauseBinary)
	if err != nil {
		return fmt.Errorf("make image %s: %w", e.pauseImage(), err)
	}
	answer, err := e.api.ImageImport(ctx,
		client.ImageImportSource{Source: layer, SourceName: "-"}, e.pauseImage(),
		client.ImageImportOptions{Message: "segno's sandbox", Changes: []string{`ENTRYPOINT ["/segno","pause"]`}})
	if err != nil {
		return e.fault(ctx, "import image "+e.pauseImage(), err)
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return e.fault(ctx, "import image "+e.pauseImage(), err)
	}
	return nil
}

// pauseLayer is a tar archive that holds the program as /segno.
func pauseLayer(path string) (io.Reader, error) {
	if err := static(path); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	if err := w.WriteHeader(&tar.Header{Name: "segno", Mode: 0o555, Size: int64(len(program)), Format: tar.FormatPAX}); err != nil {
		return nil, err
	}
	const block = 512
	padding := make([]byte, (block-len(program)%block)%block+2*block) // to the end of the block, then the end of the archive
	return io.MultiReader(&head, bytes.NewReader(program), bytes.NewReader(padding)), nil
}

// static refuses a program that needs a loader: there is none in the image.
func static(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("program %s: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("program %s is not static: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}
