package openapi

import "k8s.io/apimachinery/pkg/runtime/schema"

// operation is one method of a path.
type operation struct {
	id     string
	action string // list, get, post, put, patch, delete, deletecollection, connect
	text   string
	gvk    schema.GroupVersionKind
	params []parameter
	body   string // model of the body; "" is none
	answer string // model of the answer; "" is text
	code   string // of success
}

var (
	bodyMedia  = []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}
	patchMedia = []string{"application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"}
)

func (m *models) operation(tag string, o operation) node {
	out := node{
		"description": o.text, "operationId": o.id, "tags": []string{tag},
		extensionAction: o.action, extensionKind: kindNode(o.gvk),
	}
	params := []node{}
	for _, p := range o.params {
		params = append(params, p.write(m.dialect))
	}
	media := bodyMedia
	if o.action == "patch" {
		media = patchMedia
	}
	if m.v3 {
		m.exchangeV3(out, o, media)
	} else {
		params = m.exchangeV2(out, o, media, params)
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	return out
}

func (m *models) exchangeV2(out node, o operation, media []string, params []node) []node {
	out["consumes"], out["produces"], out["schemes"] = media, bodyMedia, []string{"https"}
	if o.action == "get" || o.action == "list" {
		out["consumes"] = []string{"*/*"}
	}
	if o.body != "" {
		params = append(params, node{"name": "body", "in": "body", "required": o.action != "delete" && o.action != "deletecollection", "schema": m.ref(o.body)})
	}
	ok := node{"description": "OK", "schema": node{"type": "string"}}
	if o.answer != "" {
		ok["schema"] = m.ref(o.answer)
	}
	out["responses"] = node{o.code: ok, "401": node{"description": "Unauthorized"}}
	return params
}

func (m *models) exchangeV3(out node, o operation, media []string) {
	if o.body != "" {
		out["requestBody"] = node{"required": o.action != "delete" && o.action != "deletecollection", "content": m.content(media, o.body)}
	}
	ok := node{"description": "OK"}
	if o.answer != "" {
		ok["content"] = m.content(bodyMedia, o.answer)
	}
	out["responses"] = node{o.code: ok, "401": node{"description": "Unauthorized"}}
}

func (m *models) content(media []string, model string) node {
	out := node{}
	for _, name := range media {
		out[name] = node{"schema": m.ref(model)}
	}
	return out
}
