package proto

import "strings"

// NodeName names a node: a DNS subdomain, as in the Node's metadata.name.
type NodeName string

// Resource names a collection of one kind of object: the plural, lower-case
// resource and its API group ("" is the core group).
type Resource struct {
	Group string
	Name  string
}

// String is "pods" or "deployments.apps".
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// ObjectKey names one object for as long as its name is in use. Namespace is
// empty for cluster-scoped kinds.
type ObjectKey struct {
	Resource
	Namespace string
	Name      string
}

// Key builds an ObjectKey of the given resource.
func (r Resource) Key(namespace, name string) ObjectKey {
	return ObjectKey{Resource: r, Namespace: namespace, Name: name}
}

// String is "deployments.apps/default/web", or "nodes/n1" for cluster scope.
func (k ObjectKey) String() string {
	var b strings.Builder
	b.WriteString(k.Resource.String())
	b.WriteByte('/')
	if k.Namespace != "" {
		b.WriteString(k.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(k.Name)
	return b.String()
}
