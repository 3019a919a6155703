package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// Form is how a client wants discovery.
type Form string

// The forms: the old walk, and the aggregated document in two versions that
// differ in nothing but their name.
const (
	Plain       Form = ""
	AggregateV2 Form = "v2"
	AggregateB1 Form = "v2beta1"
)

const typeJSON = "application/json"

// Document is an answer, ready to send.
type Document struct {
	Type string
	ETag string
	Body []byte
}

// Catalog holds every document.
type Catalog struct {
	groups []group
	docs   map[string]Document // by form + path
}

// New builds the catalog of the table.
func New(table *events.Table) *Catalog {
	c := &Catalog{groups: groupsOf(table), docs: map[string]Document{}}
	for _, form := range []Form{AggregateV2, AggregateB1} {
		c.docs[string(form)+"/api"] = aggregate(form, c.groups, true)
		c.docs[string(form)+"/apis"] = aggregate(form, c.groups, false)
	}
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}}
	for _, g := range c.groups {
		for _, v := range g.versions {
			c.docs[g.path(v.name)] = plain(v.list(g.name))
		}
		if g.name == "" {
			continue
		}
		list.Groups = append(list.Groups, g.plain())
		single := g.plain()
		single.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
		c.docs["/apis/"+g.name] = plain(single)
	}
	c.docs["/apis"] = plain(list)
	return c
}

// Wants reads the form that Accept headers ask for.
func Wants(accept []string) Form {
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || media != typeJSON {
			continue
		}
		if params["as"] == "" {
			return Plain
		}
		form := Form(params["v"])
		if params["as"] == "APIGroupDiscoveryList" && params["g"] == "apidiscovery.k8s.io" && (form == AggregateV2 || form == AggregateB1) {
			return form
		}
	}
	return Plain
}

// Find answers the document of a path. host is where the client reached us.
func (c *Catalog) Find(path string, form Form, host string) (Document, bool) {
	if doc, ok := c.docs[string(form)+path]; ok {
		return doc, true
	}
	if path == "/api" {
		return plain(metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions"},
			Versions: []string{"v1"},
			ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{
				{ClientCIDR: "0.0.0.0/0", ServerAddress: host},
			},
		}), true
	}
	doc, ok := c.docs[path]
	return doc, ok
}

// Paths lists what Find knows of, for the root document.
func (c *Catalog) Paths() []string {
	out := []string{"/api"}
	for path := range c.docs {
		if strings.HasPrefix(path, "/") {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func plain(value any) Document {
	body, _ := json.Marshal(value) // plain structs of this package cannot fail
	return Document{Type: typeJSON, Body: body}
}

func tagged(doc Document) Document {
	sum := sha256.Sum256(doc.Body)
	doc.ETag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return doc
}
