package kinds

import (
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// APIService is by which name pods find the API.
var APIService = types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}

// API is where they find it: by custom the first address. No Service but
// APIService has it, even when all others are taken.
func (r ServiceRanges) API() netip.Addr { return poolOf(r.Networks[0]).at(0) }
