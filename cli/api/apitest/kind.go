package apitest

import (
	"reflect"

	"segno/events"
)

// sameType tells whether obj is of the kind.
func sameType(kind *events.Kind, obj events.Object) (events.Object, bool) {
	like := kind.New()
	return like, reflect.TypeOf(like) == reflect.TypeOf(obj)
}
