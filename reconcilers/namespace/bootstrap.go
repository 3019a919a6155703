package namespace

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
)

// First lists the namespaces that every cluster has.
var First = []string{
	metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, reconcilers.NamespaceNodeLease,
}

// Bootstrap answers what makes the first namespaces, as far as they are missing.
// Whoever starts a cluster does it before anything else.
func Bootstrap(view events.View) (events.Batch, error) {
	var creations events.Batch
	for _, name := range First {
		key := reconcilers.Namespaces.Key("", name)
		found, err := view.Get(key)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", key, err)
		}
		if found == nil {
			creations = append(creations, events.Create{
				Key: key, Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
				UID: reconcilers.UID("namespace", name, view.Seq()),
			})
		}
	}
	return creations, nil
}
