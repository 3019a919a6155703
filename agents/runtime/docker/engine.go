package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
)

// Config of an Engine. Node is required.
type Config struct {
	// Host is the engine's address ("unix:///run/docker.sock"); empty takes
	// DOCKER_HOST or Docker's own default.
	Host string
	// Node and Scope say whose containers these are. Scope tells clusters
	// apart that share an engine; every node and cluster has its own.
	Node, Scope string
	// PauseBinary is a static program that waits when it is run with the one
	// argument "pause". Empty is a tiny one that this package has (program.go),
	// or this very program where there is none for the processor.
	PauseBinary string
}

// Engine is one node's share of a Docker engine.
type Engine struct {
	cfg Config
	api *client.Client
	oom int // no container gets a lower OOM score

	otherNetwork atomic.Bool // the engine is not in the node's network

	pauseMu    sync.Mutex // held while the pause image is imported: once is enough
	pauseImage string     // its name once it is known, which takes reading the program
	pauseReady bool
}

var _ runtime.Runtime = (*Engine)(nil)

// New answers an Engine; the engine need not answer yet.
func New(cfg Config) (*Engine, error) {
	if cfg.Node == "" {
		return nil, errors.New("docker.New: Node is required")
	}
	options := []client.Opt{client.FromEnv}
	if cfg.Host != "" {
		options = []client.Opt{client.WithHost(cfg.Host)}
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("docker engine at %q: %w", cfg.Host, err)
	}
	return &Engine{cfg: cfg, api: api, oom: lowestOOMScore()}, nil
}

// Close closes idle connections.
func (e *Engine) Close() error { return e.api.Close() }

// Info asks the engine for its version.
func (e *Engine) Info(ctx context.Context) (runtime.Info, error) {
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return runtime.Info{}, e.fault(ctx, "version", err)
	}
	return runtime.Info{Version: "docker://" + version.Version}, nil
}

// Watch follows the engine's events about this node's containers.
func (e *Engine) Watch(ctx context.Context, changed func(uid string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filters := e.owned().Add("type", "container").Add("event", "start", "die", "destroy", "oom")
	stream := e.api.Events(ctx, client.EventsListOptions{Filters: filters})
	// Events returns also when there is no engine, and tells of it only later.
	if _, err := e.api.Ping(ctx, client.PingOptions{}); err != nil {
		return e.fault(ctx, "follow events", err)
	}
	var preparing sync.WaitGroup
	defer preparing.Wait()
	defer cancel()
	preparing.Go(func() { _, _ = e.ensurePause(ctx) }) // so that the first pod need not wait; it reports the error
	changed("")
	for {
		select {
		case err := <-stream.Err:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: its events ended: %w", runtime.ErrDown, err)
		case message := <-stream.Messages:
			if uid := message.Actor.Attributes[labelUID]; uid != "" {
				changed(uid)
			}
		}
	}
}

// fault says what was tried, and whether the engine was there to try it.
func (e *Engine) fault(ctx context.Context, tried string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("docker: %s: %w", tried, err)
	}
	if client.IsErrConnectionFailed(err) || (!answered(err) && !e.up(ctx)) {
		return fmt.Errorf("docker: %s: %w: %w", tried, runtime.ErrDown, err)
	}
	return fmt.Errorf("docker: %s: %w", tried, err)
}

// answered says that the error is the engine's own answer.
func answered(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) || cerrdefs.IsInvalidArgument(err) ||
		cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsNotModified(err)
}

func (e *Engine) up(ctx context.Context) bool {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := e.api.Ping(ctx, client.PingOptions{})
	return err == nil
}
