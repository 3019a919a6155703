package proto

// Object names an object in JSON, as everything does that tells people and
// programs of the past.
type Object struct {
	Group     string `json:"group,omitempty"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// ObjectOf is a key as JSON shows it.
func ObjectOf(key ObjectKey) Object {
	return Object{Group: key.Group, Resource: key.Resource.Name, Namespace: key.Namespace, Name: key.Name}
}

// Key is the object's key.
func (o Object) Key() ObjectKey {
	return Resource{Group: o.Group, Name: o.Resource}.Key(o.Namespace, o.Name)
}
