package kinds

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// raiseGeneration keeps the generation of old, one higher when what it counts
// has changed.
func raiseGeneration(obj, old metav1.Object, changed bool) {
	generation := old.GetGeneration()
	if changed {
		generation++
	}
	obj.SetGeneration(generation)
}
