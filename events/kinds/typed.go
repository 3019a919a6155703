package kinds

import (
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// A kind's own functions take the object's own type; these fit them into the
// table. The table hands a function only objects of its kind, so the type
// assertions hold by construction.

func one[T events.Object](f func(obj T)) func(events.Object) {
	return func(obj events.Object) { f(obj.(T)) }
}

func two[T events.Object](f func(obj, old T)) func(obj, old events.Object) {
	return func(obj, old events.Object) { f(obj.(T), old.(T)) }
}

func check[T events.Object](f func(obj T) field.ErrorList) func(events.Object) field.ErrorList {
	return func(obj events.Object) field.ErrorList { return f(obj.(T)) }
}

func compare[T events.Object](f func(obj, old T) field.ErrorList) func(obj, old events.Object) field.ErrorList {
	return func(obj, old events.Object) field.ErrorList { return f(obj.(T), old.(T)) }
}

// admit passes a nil old on as T's zero value.
func admit[T events.Object](f func(view events.View, obj, old T) error) func(events.View, events.Object, events.Object) error {
	return func(view events.View, obj, old events.Object) error {
		before, _ := old.(T)
		return f(view, obj.(T), before)
	}
}

// warn passes a nil old on as T's zero value.
func warn[T events.Object](f func(obj, old T) []string) func(obj, old events.Object) []string {
	return func(obj, old events.Object) []string {
		before, _ := old.(T)
		return f(obj.(T), before)
	}
}

// classify calls f only for a change of an object that was there and still is;
// everything else has a generic fact.
func classify[T events.Object](f func(before, after T, section proto.Section) (fact, reason string)) func(before, after events.Object, section proto.Section) (string, string) {
	return func(before, after events.Object, section proto.Section) (string, string) {
		was, isThere := before.(T)
		is, stillThere := after.(T)
		if !isThere || !stillThere || section == proto.SectionGone {
			return "", ""
		}
		return f(was, is, section)
	}
}

func selectable[T events.Object](f func(obj T) fields.Set) func(events.Object) fields.Set {
	return func(obj events.Object) fields.Set { return f(obj.(T)) }
}

func row[T events.Object](f func(obj T, now time.Time) []any) func(events.Object, time.Time) []any {
	return func(obj events.Object, now time.Time) []any { return f(obj.(T), now) }
}
