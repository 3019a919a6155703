package api

import (
	"net/http"
	"strings"
)

// The verbs of the API, as authorisation and discovery spell them.
const (
	verbGet              = "get"
	verbList             = "list"
	verbWatch            = "watch"
	verbCreate           = "create"
	verbUpdate           = "update"
	verbPatch            = "patch"
	verbDelete           = "delete"
	verbDeleteCollection = "deletecollection"
)

// Target is what a request is about. Resource is empty for paths that are not
// about objects (/version, /openapi/v3, /api).
type Target struct {
	Verb        string
	Group       string
	Version     string
	Namespace   string
	Resource    string
	Name        string
	Subresource string
	Path        string // as asked, without the moment
	// FieldSelector is the raw selector of a list or watch.
	FieldSelector string
}

// targetOf reads method, path and query. ok is false when the path lies under
// /api or /apis but has a shape that no resource can have.
func targetOf(r *http.Request) (t Target, ok bool) {
	t = Target{Path: r.URL.Path}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) >= 3:
		t.Version, parts = parts[1], parts[2:]
	case parts[0] == "apis" && len(parts) >= 4:
		t.Group, t.Version, parts = parts[1], parts[2], parts[3:]
	default:
		t.Verb = strings.ToLower(r.Method)
		return t, true
	}
	if !t.fill(parts) {
		return t, false
	}
	t.FieldSelector = r.URL.Query().Get("fieldSelector")
	t.Verb = verbOf(r, t.Name)
	return t, true
}

// fill reads what stands behind the group and version:
// [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE…]], where namespaces are also
// objects themselves, with the subresources status and finalize.
func (t *Target) fill(parts []string) bool {
	for _, part := range parts {
		if part == "" {
			return false
		}
	}
	if parts[0] == "namespaces" && len(parts) > 2 && !(len(parts) == 3 && (parts[2] == "status" || parts[2] == "finalize")) {
		t.Namespace, parts = parts[1], parts[2:]
	} else if parts[0] == "namespaces" && len(parts) > 1 {
		t.Namespace = parts[1]
	}
	t.Resource = parts[0]
	if len(parts) > 1 {
		t.Name = parts[1]
	}
	if len(parts) > 2 {
		t.Subresource = strings.Join(parts[2:], "/")
	}
	return true
}

func verbOf(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		switch {
		case flag(r.URL.Query().Get("watch")):
			return verbWatch
		case name == "":
			return verbList
		default:
			return verbGet
		}
	case http.MethodPost:
		return verbCreate
	case http.MethodPut:
		return verbUpdate
	case http.MethodPatch:
		return verbPatch
	case http.MethodDelete:
		if name == "" {
			return verbDeleteCollection
		}
		return verbDelete
	default:
		return strings.ToLower(r.Method)
	}
}

// flag reads a boolean parameter as Kubernetes does: everything but "", "0"
// and "false" is true.
func flag(text string) bool { return text != "" && text != "0" && !strings.EqualFold(text, "false") }
