package condition

import (
	"slices"
	"strings"

	"segno/events"
	"segno/proto"
)

// Depends is what an expression looks at.
type Depends struct {
	Event   bool              // event, before or after: it is true of what happens rather than of a state
	Sides   bool              // before or after: contents of whatever object
	Objects []proto.ObjectKey // named by constants
	Lists   []Collection
}

// Constant tells whether nothing but objects that are named by constants counts.
func (d Depends) Constant() bool { return !d.Event && len(d.Lists) == 0 }

// Secrets tells whether it names Secrets.
func (d Depends) Secrets() bool {
	return slices.ContainsFunc(d.Objects, func(key proto.ObjectKey) bool { return proto.Secret(key.Resource) }) ||
		slices.ContainsFunc(d.Lists, func(c Collection) bool { return proto.Secret(c.Resource) })
}

// Collection is the objects of a resource, in one namespace or ("") in all.
type Collection struct {
	Resource  proto.Resource
	Namespace string
}

// Has tells whether an object belongs to the collection.
func (c Collection) Has(key proto.ObjectKey) bool {
	return c.Resource == key.Resource && (c.Namespace == "" || c.Namespace == key.Namespace)
}

// Touches tells whether a change of the object may change the expression.
func (d Depends) Touches(key proto.ObjectKey) bool {
	return slices.Contains(d.Objects, key) || slices.ContainsFunc(d.Lists, func(c Collection) bool { return c.Has(key) })
}

func (d *Depends) object(key proto.ObjectKey) {
	if !slices.Contains(d.Objects, key) {
		d.Objects = append(d.Objects, key)
	}
}

func (d *Depends) list(c Collection) {
	if !slices.Contains(d.Lists, c) {
		d.Lists = append(d.Lists, c)
	}
}

// kindOf finds a kind by how people write it: pods, pod, po, Pod,
// deployments.apps. The flaw says which there are.
func (c *Condition) kindOf(text string) (*events.Kind, *Flaw) {
	name, group, grouped := strings.Cut(strings.ToLower(text), ".")
	for _, kind := range c.cfg.Table.All() {
		names := append([]string{kind.Resource.Name, kind.Singular, strings.ToLower(kind.GVK.Kind)}, kind.ShortNames...)
		if !slices.Contains(names, name) || grouped && group != kind.Resource.Group {
			continue
		}
		if kind.Stream != c.cfg.Stream {
			return nil, &Flaw{What: text + " are not in the log " + c.cfg.Stream + ", whose past this is about", Allowed: c.kindNames()}
		}
		return kind, nil
	}
	return nil, &Flaw{What: "there is no kind " + text, Allowed: c.kindNames()}
}

func (c *Condition) kindNames() string {
	var names []string
	for _, kind := range c.cfg.Table.All() {
		if kind.Stream == c.cfg.Stream {
			names = append(names, kind.Resource.String())
		}
	}
	return strings.Join(names, ", ")
}

// keyOf reads "deployment/web" and "deployment/default/web".
func (c *Condition) keyOf(text string) (key proto.ObjectKey, flaw *Flaw) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return key, &Flaw{What: "an object is named KIND/NAME or KIND/NAMESPACE/NAME", Allowed: `object("deployment/web"), object("deployment/default/web")`}
	}
	kind, flaw := c.kindOf(parts[0])
	switch {
	case flaw != nil:
		return key, flaw
	case !kind.Namespaced && len(parts) == 3:
		return key, &Flaw{What: kind.Resource.String() + " are in no namespace", Allowed: `object("` + kind.Singular + "/" + parts[2] + `")`}
	case !kind.Namespaced:
		return kind.Resource.Key("", parts[1]), nil
	case len(parts) == 2:
		return kind.Resource.Key(c.cfg.Namespace, parts[1]), nil
	default:
		return kind.Resource.Key(parts[1], parts[2]), nil
	}
}
