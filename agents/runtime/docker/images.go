package docker

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
)

// Image answers the id and the user of an image that the engine has.
func (e *Engine) Image(ctx context.Context, image string) (runtime.Image, error) {
	if err := named(image); err != nil {
		return runtime.Image{}, err
	}
	inspected, err := e.api.ImageInspect(ctx, image)
	switch {
	case cerrdefs.IsNotFound(err):
		return runtime.Image{}, fmt.Errorf("docker: image %s: %w", image, runtime.ErrNoImage)
	case err != nil:
		return runtime.Image{}, e.fault(ctx, "find image "+image, err)
	}
	out := runtime.Image{ID: "docker://" + inspected.ID}
	if inspected.Config != nil {
		out.User = inspected.Config.User
	}
	return out, nil
}

// PullImage has the engine get the image from its registry.
func (e *Engine) PullImage(ctx context.Context, image string) error {
	if err := named(image); err != nil {
		return err
	}
	progress, err := e.api.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return e.fault(ctx, "pull image "+image, err)
	}
	defer func() { _ = progress.Close() }()
	if err := progress.Wait(ctx); err != nil {
		return e.fault(ctx, "pull image "+image, err)
	}
	return nil
}

func named(image string) error {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return fmt.Errorf("%w %q: %w", runtime.ErrImageName, image, err)
	}
	return nil
}
