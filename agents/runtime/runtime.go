package runtime

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that callers tell apart; implementations wrap them.
var (
	// ErrNotFound says that there is no such sandbox, container or attempt.
	ErrNotFound = errors.New("not found")
	// ErrNoImage says that the engine does not have the image.
	ErrNoImage = errors.New("no such image")
	// ErrImageName says that an image's name is not one.
	ErrImageName = errors.New("invalid image name")
	// ErrDown says that the engine does not answer: nothing is known, nothing was done.
	ErrDown = errors.New("container engine does not answer")
	// ErrNotRunning says that the container is not running.
	ErrNotRunning = errors.New("container is not running")
)

// Runtime is all of an engine.
type Runtime interface {
	Engine
	Sandboxes
	Containers
	Images
	Streams
}

// Engine is about the engine itself.
type Engine interface {
	// Info asks the engine what it is; ErrDown when it does not answer.
	Info(ctx context.Context) (Info, error)
	// Watch calls changed with the UID of each pod to look at again, "" for
	// all of them. It returns when ctx ends or the engine is lost; the caller
	// watches anew, and its first call is changed("").
	Watch(ctx context.Context, changed func(uid string)) error
}

// Sandboxes hold what the containers of one pod share.
type Sandboxes interface {
	// List answers every pod of this node that has anything left here.
	List(ctx context.Context) ([]Pod, error)
	// Inspect answers one pod; without error and empty when nothing is left of it.
	Inspect(ctx context.Context, uid string) (Pod, error)
	// CreateSandbox creates and starts the sandbox; done already is success.
	CreateSandbox(ctx context.Context, spec SandboxSpec) error
	// RemoveSandbox removes the sandbox alone, not its containers; gone is success.
	RemoveSandbox(ctx context.Context, uid string) error
}

// Containers run inside a sandbox. Each call is safe to repeat.
type Containers interface {
	// CreateContainer creates one attempt; ErrNoImage when its image is missing.
	CreateContainer(ctx context.Context, spec ContainerSpec) error
	// StartContainer starts a created container; running or exited already is success.
	StartContainer(ctx context.Context, ref Ref) error
	// StopContainer sends the container's stop signal, or KILL with force, and
	// does not wait for the end; not running is success.
	StopContainer(ctx context.Context, ref Ref, force bool) error
	// RemoveContainer removes the container, killing it when it runs; gone is success.
	RemoveContainer(ctx context.Context, ref Ref) error
}

// Images are what containers are made of.
type Images interface {
	// Image answers what the engine knows of an image that it has, else ErrNoImage.
	Image(ctx context.Context, image string) (Image, error)
	// PullImage gets the image from its registry; the error has the engine's words.
	PullImage(ctx context.Context, image string) error
}

// Streams are bytes out of and into a container.
type Streams interface {
	// Logs writes what the container wrote; with Follow until it ends.
	Logs(ctx context.Context, ref Ref, options LogOptions, stdout, stderr io.Writer) error
	// Exec runs a command in the container and answers its exit code.
	Exec(ctx context.Context, ref Ref, exec Exec) (exitCode int, err error)
	// Attach joins the streams of the container's main process until it ends.
	Attach(ctx context.Context, ref Ref, streams StreamSet) error
}

// Image is one that the engine has.
type Image struct {
	ID string
	// User runs its programs unless a container says otherwise, by name or
	// number, perhaps with a group after a colon; "" is root.
	User string
}

// Info describes the engine.
type Info struct {
	Version   string // as Kubernetes writes it: docker://20.10.24, simulated://1
	Simulated bool   // nothing is real; a person must be told
}

// LogOptions say which part of a log is wanted. The zero value is all of it.
type LogOptions struct {
	Follow     bool
	Tail       *int64 // last lines; nil for all
	Since      time.Time
	Timestamps bool // RFC 3339 with nanoseconds before each line
}

// Exec is a command to run in a container.
type Exec struct {
	Command []string
	// Kill says that the command is not to outlive ctx: what nobody waits for
	// any more is killed, as far as the engine lets it.
	Kill bool
	StreamSet
}

// StreamSet is where a process reads and writes. Nil streams are not joined.
type StreamSet struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer // with TTY all output comes on Stdout
	TTY            bool
	Resize         <-chan Size
}

// Size is that of a terminal, in characters.
type Size struct{ Width, Height uint16 }
