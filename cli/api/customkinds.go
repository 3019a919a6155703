package api

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// customKinds is the list of custom resource definitions, of which there are
// none. It is not in discovery, but every kubectl asks for it when it meets a
// kind that it does not know, and else tells of its failed question and not of
// the kind.
func (c *call) customKinds() error {
	return c.sendJSON(map[string]any{
		"apiVersion": customKindsGroup + "/v1", "kind": "CustomResourceDefinitionList",
		"metadata": metav1.ListMeta{ResourceVersion: "0"}, "items": []any{},
	})
}

const customKindsGroup = "apiextensions.k8s.io"
