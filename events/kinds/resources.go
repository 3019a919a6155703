package kinds

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/proto"
)

// The resources that admission looks through.
var (
	nodeResource    = proto.Resource{Name: "nodes"}
	serviceResource = proto.Resource{Name: "services"}
)

// resourceOf names the collection of a kind of the given API group.
func resourceOf(version schema.GroupVersion, plural string) proto.Resource {
	return proto.Resource{Group: version.Group, Name: plural}
}

// groupResource is the name that API errors use.
func groupResource(r proto.Resource) schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Name}
}
