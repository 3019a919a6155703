package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/agents/pod"
	"segno/agents/runtime"
)

// Pods knows the node's pods by name.
type Pods interface {
	Lookup(namespace, name string) (pod.Want, bool)
}

// Runtime is what is asked of the engine.
type Runtime interface {
	runtime.Streams
	Inspect(ctx context.Context, uid string) (runtime.Pod, error)
}

// Config of a server. All but Dial and Logger is required.
type Config struct {
	Listener net.Listener
	Pods     Pods
	Runtime  Runtime
	// Dial connects to a port inside a sandbox; nil cannot forward ports.
	Dial   func(ctx context.Context, sandbox runtime.Sandbox, port int32) (net.Conn, error)
	Logger *slog.Logger
}

func (c Config) complete() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Run serves until ctx ends, and closes the listener and every stream with it.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.complete()
	srv := &http.Server{
		Handler:           Handler(cfg),
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(cfg.Listener)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("serve logs and exec: %w", err)
}

// Handler is the server without its listener.
func Handler(cfg Config) http.Handler {
	s := &server{cfg.complete()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.logs)
	for _, method := range []string{"GET ", "POST "} {
		mux.HandleFunc(method+"/exec/{namespace}/{pod}/{container}", s.exec)
		mux.HandleFunc(method+"/attach/{namespace}/{pod}/{container}", s.attach)
		mux.HandleFunc(method+"/portForward/{namespace}/{pod}", s.portForward)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, podsResource, "", "the node serves no "+r.URL.Path, 0, false))
	})
	return mux
}

type server struct{ Config }

var podsResource = corev1.Resource("pods")

// find answers the pod that a request names, as it is wanted and as it is.
func (s *server) find(r *http.Request) (pod.Want, runtime.Pod, error) {
	namespace, name := r.PathValue("namespace"), r.PathValue("pod")
	want, known := s.Pods.Lookup(namespace, name)
	if !known {
		return want, runtime.Pod{}, apierrors.NewNotFound(podsResource, name)
	}
	have, err := s.Runtime.Inspect(r.Context(), string(want.Pod.UID))
	if err != nil {
		return want, have, apierrors.NewServiceUnavailable(err.Error())
	}
	return want, have, nil
}

// running answers the running attempt of the container that a request names.
func (s *server) running(r *http.Request) (runtime.Ref, error) {
	want, have, err := s.find(r)
	if err != nil {
		return runtime.Ref{}, err
	}
	name := r.PathValue("container")
	if !hasContainer(want, name) {
		return runtime.Ref{}, apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, want.Pod.Name))
	}
	latest, there := have.Latest(name)
	if !there || latest.State != runtime.Running {
		return runtime.Ref{}, apierrors.NewBadRequest(fmt.Sprintf("container %s of pod %s is not running", name, want.Pod.Name))
	}
	return latest.Ref, nil
}

func hasContainer(want pod.Want, name string) bool {
	for i := range want.Pod.Spec.Containers {
		if want.Pod.Spec.Containers[i].Name == name {
			return true
		}
	}
	for i := range want.Pod.Spec.InitContainers {
		if want.Pod.Spec.InitContainers[i].Name == name {
			return true
		}
	}
	return false
}

// refuse answers in the form that clients of the API understand.
func refuse(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	body := status.Status()
	body.Kind, body.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(body.Code))
	_ = json.NewEncoder(w).Encode(body)
}
