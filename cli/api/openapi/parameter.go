package openapi

// parameter is one parameter of an operation.
type parameter struct {
	name, kind, text string
	path             bool
}

var (
	pathName      = parameter{name: "name", kind: "string", text: "name of the object", path: true}
	pathNamespace = parameter{name: "namespace", kind: "string", text: "namespace of the object", path: true}

	pretty = parameter{name: "pretty", kind: "string", text: "If 'true', then the output is pretty printed."}

	listing = []parameter{
		{name: "allowWatchBookmarks", kind: "boolean", text: "Ask a watch for bookmarks: events that only tell how far it has come."},
		{name: "continue", kind: "string", text: "Where the previous page of the list ended."},
		{name: "fieldSelector", kind: "string", text: "Only objects with these values of fields."},
		{name: "labelSelector", kind: "string", text: "Only objects with these labels."},
		{name: "limit", kind: "integer", text: "The most objects on a page."},
		{name: "resourceVersion", kind: "string", text: "The state to read, or to watch from."},
		{name: "resourceVersionMatch", kind: "string", text: "How resourceVersion is meant: Exact or NotOlderThan."},
		{name: "sendInitialEvents", kind: "boolean", text: "Begin a watch with the objects as they are, and a bookmark behind them."},
		{name: "timeoutSeconds", kind: "integer", text: "When a watch ends by itself."},
		{name: "watch", kind: "boolean", text: "Follow the changes instead of listing."},
	}
	writing = []parameter{
		{name: "dryRun", kind: "string", text: "'All': answer what would be, and change nothing."},
		{name: "fieldManager", kind: "string", text: "Who makes the change, at most 128 printable characters."},
		{name: "fieldValidation", kind: "string", text: "What happens to unknown and duplicate fields: Ignore, Warn or Strict."},
	}
	forcing  = parameter{name: "force", kind: "boolean", text: "Take over fields that others manage."}
	deleting = []parameter{
		{name: "dryRun", kind: "string", text: "'All': answer what would be, and change nothing."},
		{name: "gracePeriodSeconds", kind: "integer", text: "How long the object may take to end."},
		{name: "propagationPolicy", kind: "string", text: "What happens to dependents: Orphan, Background or Foreground."},
	}
)

func (p parameter) write(d dialect) node {
	out := node{"name": p.name, "in": "query", "description": p.text}
	if p.path {
		out["in"], out["required"] = "path", true
	} else {
		out["uniqueItems"] = true
	}
	if d.v3 {
		delete(out, "uniqueItems")
		out["schema"] = node{"type": p.kind}
		if !p.path {
			out["schema"] = node{"type": p.kind, "uniqueItems": true}
		}
		return out
	}
	out["type"] = p.kind
	return out
}
