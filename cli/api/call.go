package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// call is one request on its way. It belongs to one goroutine.
type call struct {
	api    *API
	w      *statusWriter
	r      *http.Request
	id     string
	user   User
	target Target
	kind   *events.Kind
	past   *Moment // nil is now
	trace  trace

	making sync.Mutex // of trace.made: a request may do much at once
}

// command wraps an action with who asks, why and how.
func (c *call) command(action events.Action, dryRun bool) events.Command {
	return events.Command{
		Actor:       c.user.Actor(),
		Cause:       proto.Cause{Request: c.id},
		Correlation: c.id,
		Via:         via(c.r),
		Manager:     c.manager(),
		DryRun:      dryRun,
		Action:      action,
	}
}

// submit sends an action and passes the warnings of its outcome on.
func (c *call) submit(ctx context.Context, action events.Action, dryRun bool) (events.Outcome, error) {
	out, err := c.do(ctx, c.command(action, dryRun))
	if err != nil {
		return out, err
	}
	c.warn(out.Warnings...)
	return out, nil
}

// do submits a command; several may be under way at once.
func (c *call) do(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	out, err := c.api.cfg.Store.Submit(ctx, cmd)
	c.making.Lock()
	defer c.making.Unlock()
	c.trace.dryRun = c.trace.dryRun || cmd.DryRun
	if err == nil {
		c.trace.made = append(c.trace.made, out)
	}
	return out, err
}

// maxVia bounds what a client can have written into the log about itself.
const maxVia = 1024

// via is the command that the person typed, as far as the client tells:
// segno's whole command line, kubectl's command, or the name of the program. Credentials in the paths that he asks for are left out.
func via(r *http.Request) string {
	text := r.Header.Get("Segno-Command")
	if text == "" {
		text = r.Header.Get("Kubectl-Command")
	}
	if text == "" {
		text, _, _ = strings.Cut(r.UserAgent(), " ")
	}
	return printable(history.MaskedLine(text), maxVia)
}

// manager is the field manager: as asked, else the program's name.
func (c *call) manager() string {
	if name := c.r.URL.Query().Get("fieldManager"); name != "" {
		return name
	}
	name, _, _ := strings.Cut(c.r.UserAgent(), "/")
	return printable(name, maxManager)
}

func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// warn adds Warning headers.
func (c *call) warn(texts ...string) {
	for _, text := range texts {
		text = strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", " ", "\r", " ").Replace(text)
		c.w.Header().Add("Warning", `299 - "`+text+`"`)
	}
}

// view is the state that the request reads, and the time that ages count to.
func (c *call) view() (events.View, time.Time, error) {
	store := c.api.cfg.Store
	if c.past == nil {
		return store.View(c.kind), c.api.cfg.Now(), nil
	}
	seq, at, err := store.Resolve(c.r.Context(), c.kind, *c.past)
	if err != nil {
		return nil, at, err
	}
	if seq == 0 {
		c.warnEarly(at)
	}
	view, err := store.At(c.r.Context(), c.kind, seq)
	return view, at, err
}

// answer writes one object.
func (c *call) answer(code int, obj runtime.Object, gvk schema.GroupVersionKind, a accept) error {
	data, err := encode(obj, gvk, a)
	if err != nil {
		return err
	}
	return c.send(code, a.mediaType(), data)
}

// success answers that something was done for which there is no object.
func (c *call) success(code int, details *metav1.StatusDetails) error {
	a, err := acceptOf(c.r)
	if err != nil {
		return err
	}
	status := &metav1.Status{Status: metav1.StatusSuccess, Details: details}
	if code == http.StatusCreated {
		status.Code = http.StatusCreated
	}
	return c.answer(code, status, statusKind, a)
}

var statusKind = schema.GroupVersionKind{Version: "v1", Kind: "Status"}

// send writes a whole body.
func (c *call) send(code int, mediaType string, data []byte) error {
	body := newBody(c.w, c.r, code, mediaType)
	if _, err := body.Write(data); err != nil {
		return nil
	}
	_ = body.Close()
	return nil
}

// sendJSON writes a value that has no kind of its own.
func (c *call) sendJSON(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if data, err = dress(data, accept{pretty: prettyFor(c.r)}); err != nil {
		return err
	}
	return c.send(http.StatusOK, typeJSON, data)
}

func (c *call) sendText(text string) error {
	return c.send(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
}

// fail answers an error as a Status. When the answer has begun, all that is
// left is to drop the connection, so that the client sees that it was cut short.
func (c *call) fail(err error) {
	status := statusOf(err)
	c.trace.failure = status
	if status.Reason == metav1.StatusReasonInternalError && c.r.Context().Err() == nil {
		c.api.log.Error("request failed", "id", c.id, "method", c.r.Method, "path", c.r.URL.Path, "user", c.user.Name, "error", err)
	}
	if c.w.begun {
		panic(http.ErrAbortHandler)
	}
	a, negotiated := acceptOf(c.r)
	if negotiated != nil {
		a = accept{pretty: prettyFor(c.r)}
	}
	data, err := encode(status, statusKind, a)
	if err != nil {
		c.api.log.Error("encode a failure", "id", c.id, "error", err)
		return
	}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		c.w.Header().Set("Retry-After", proto.Seq(status.Details.RetryAfterSeconds).String())
	}
	_ = c.send(int(status.Code), a.mediaType(), data)
}

// statusWriter remembers whether the answer has begun, and how.
type statusWriter struct {
	http.ResponseWriter
	begun bool
	code  int // 0 until it has
}

func (w *statusWriter) WriteHeader(code int) {
	if code >= http.StatusOK {
		w.begun, w.code = true, cmp.Or(w.code, code)
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(data []byte) (int, error) {
	w.begun, w.code = true, cmp.Or(w.code, http.StatusOK)
	return w.ResponseWriter.Write(data)
}

// Hijack implements http.Hijacker: what follows is no HTTP any more.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.begun, w.code = true, http.StatusSwitchingProtocols
	}
	return conn, buffer, err
}

// Unwrap lets http.ResponseController find the real writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var _ io.Writer = (*statusWriter)(nil)
