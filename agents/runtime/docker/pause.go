package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const pauseRepository = "segno/pause"

// ensurePause makes the image of sandboxes when the engine does not have it,
// and answers its name: one layer with one static program, no registry
// involved. The name has the program's hash: another program is another image.
func (e *Engine) ensurePause(ctx context.Context) (string, error) {
	e.pauseMu.Lock()
	defer e.pauseMu.Unlock()
	if e.pauseReady {
		return e.pauseImage, nil
	}
	if e.pauseImage == "" {
		program, err := e.pauseProgram(ctx)
		if err != nil {
			return "", fmt.Errorf("make the image of sandboxes: %w", err)
		}
		sum := sha256.Sum256(program)
		e.pauseImage = pauseRepository + ":" + hex.EncodeToString(sum[:8])
	}
	_, err := e.api.ImageInspect(ctx, e.pauseImage)
	if cerrdefs.IsNotFound(err) {
		err = e.importPause(ctx)
	} else if err != nil {
		err = e.fault(ctx, "look for image "+e.pauseImage, err)
	}
	e.pauseReady = err == nil
	return e.pauseImage, err
}

// forgetPause is called when the image turned out to be gone.
func (e *Engine) forgetPause() {
	e.pauseMu.Lock()
	defer e.pauseMu.Unlock()
	e.pauseReady = false
}

// importPause is called with pauseMu held.
func (e *Engine) importPause(ctx context.Context) error {
	program, err := e.pauseProgram(ctx)
	var layer io.Reader
	if err == nil {
		layer, err = pauseLayer(program)
	}
	if err != nil {
		return fmt.Errorf("make image %s: %w", e.pauseImage, err)
	}
	answer, err := e.api.ImageImport(ctx,
		client.ImageImportSource{Source: layer, SourceName: "-"}, e.pauseImage,
		client.ImageImportOptions{Message: "segno's sandbox", Changes: []string{`ENTRYPOINT ["/segno","pause"]`}})
	if err != nil {
		return e.fault(ctx, "import image "+e.pauseImage, err)
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return e.fault(ctx, "import image "+e.pauseImage, err)
	}
	e.dropOldPauses(ctx)
	return nil
}

// dropOldPauses removes images of earlier builds that nothing runs on. One
// that is still wanted by another node is imported again when it is needed.
func (e *Engine) dropOldPauses(ctx context.Context) {
	found, err := e.api.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("reference", pauseRepository)})
	if err != nil {
		return // they cost only room, and the next build tries again
	}
	for _, image := range found.Items {
		for _, tag := range image.RepoTags {
			if tag != e.pauseImage {
				_, _ = e.api.ImageRemove(ctx, tag, client.ImageRemoveOptions{}) // refused while a container uses it
			}
		}
	}
}

// pauseProgram is what runs in a sandbox: the one for the engine's processor,
// or segno's own.
func (e *Engine) pauseProgram(ctx context.Context) ([]byte, error) {
	path := e.cfg.PauseBinary
	if path == "" {
		version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return nil, e.fault(ctx, "version", err)
		}
		if program, ok := programFor(version.Arch); ok {
			return program, nil
		}
		path = "/proc/self/exe"
	}
	if err := static(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// pauseLayer is a tar archive that holds the program as /segno.
func pauseLayer(program []byte) (io.Reader, error) {
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
