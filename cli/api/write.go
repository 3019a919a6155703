package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
)

// maxManager is the longest field manager, as in Kubernetes.
const maxManager = 128

// writeOptions are the parameters that all writes share, checked.
type writeOptions struct {
	dryRun     bool
	validation events.FieldValidation
	force      bool // of a server-side apply
}

func (c *call) writeOptions(kind string) (writeOptions, error) {
	query := c.r.URL.Query()
	o := writeOptions{validation: events.FieldValidation(query.Get("fieldValidation")), force: flag(query.Get("force"))}
	var problems field.ErrorList
	for _, value := range query["dryRun"] {
		if value != metav1.DryRunAll {
			problems = append(problems, field.NotSupported(field.NewPath("dryRun"), value, []string{metav1.DryRunAll}))
		}
		o.dryRun = true
	}
	switch o.validation {
	case "":
		o.validation = events.ValidateWarn
	case events.ValidateIgnore, events.ValidateWarn, events.ValidateStrict:
	default:
		problems = append(problems, field.NotSupported(field.NewPath("fieldValidation"), o.validation,
			[]events.FieldValidation{events.ValidateIgnore, events.ValidateStrict, events.ValidateWarn}))
	}
	problems = append(problems, managerProblems(query.Get("fieldManager"))...)
	if len(problems) > 0 {
		return o, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: kind}, "", problems)
	}
	return o, nil
}

func managerProblems(name string) (out field.ErrorList) {
	path := field.NewPath("fieldManager")
	if utf8.RuneCountInString(name) > maxManager {
		out = append(out, field.TooLong(path, name, maxManager))
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		out = append(out, field.Invalid(path, name, "must only contain printable characters"))
	}
	return out
}

// readBody reads the request's body, never more than is allowed.
func (c *call) readBody() ([]byte, error) {
	limit := c.api.cfg.MaxBody
	if c.r.ContentLength > limit {
		return nil, c.bodyTooLarge(limit)
	}
	if coding := c.r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, statusText(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
			"Content-Encoding %q is not accepted: send the body as it is", coding)
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, c.bodyTooLarge(limit)
	}
	if err != nil {
		return nil, badRequest("read the request's body: %s", err)
	}
	return data, nil
}

// bodyTooLarge refuses without reading on: the connection is of no use then.
func (c *call) bodyTooLarge(limit int64) error {
	c.w.Header().Set("Connection", "close")
	return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", limit))
}

// mediaType is the body's content type, JSON when none is given.
func (c *call) mediaType() (string, error) {
	text := c.r.Header.Get("Content-Type")
	if text == "" {
		return typeJSON, nil
	}
	media, _, err := mime.ParseMediaType(text)
	if err != nil {
		return "", badRequest("Content-Type %q: %s", text, err)
	}
	return media, nil
}

// place puts the namespace of the path into the object, and refuses another.
func (c *call) place(obj events.Object) error {
	if !c.kind.Namespaced {
		obj.SetNamespace("")
		return nil
	}
	switch obj.GetNamespace() {
	case "":
		obj.SetNamespace(c.target.Namespace)
	case c.target.Namespace:
	default:
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}
