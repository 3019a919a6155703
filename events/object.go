package events

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is any API object: a pointer to a k8s.io/api type. One that came out
// of a View is shared: DeepCopyObject before changing it.
type Object interface {
	runtime.Object
	metav1.Object
}

// Copy is a deep copy that keeps the type.
func Copy[T Object](obj T) T { return obj.DeepCopyObject().(T) }
