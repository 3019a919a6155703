package kinds

import (
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"

	"segno/events"
	"segno/proto"
)

// namingMeta completes a kind: a change of nothing but metadata, that the kind
// itself has no name for, is named by the part of the metadata that changed.
func namingMeta(kind *events.Kind) *events.Kind {
	own := kind.Classify
	kind.Classify = func(before, after events.Object, section proto.Section) (fact, reason string) {
		if own != nil {
			if fact, reason = own(before, after, section); fact != "" {
				return fact, reason
			}
		}
		if before == nil || after == nil || section != proto.SectionSpec {
			return "", reason
		}
		if begins := before.GetDeletionTimestamp() == nil && after.GetDeletionTimestamp() != nil; begins || !onlyMetaDiffers(before, after) {
			return "", reason
		}
		return string(classifyMeta(before, after)), reason
	}
	return kind
}

func classifyMeta(before, after events.Object) events.Fact {
	switch {
	case len(after.GetFinalizers()) < len(before.GetFinalizers()):
		return events.FinalizerRemoved
	case !equality.Semantic.DeepEqual(before.GetOwnerReferences(), after.GetOwnerReferences()):
		return events.OwnerReferenceChanged
	case !maps.Equal(before.GetLabels(), after.GetLabels()):
		return events.LabelsChanged
	case !maps.Equal(before.GetAnnotations(), after.GetAnnotations()):
		return events.AnnotationsChanged
	}
	return ""
}

// onlyMetaDiffers compares two objects of one kind but for metadata and status.
func onlyMetaDiffers(before, after events.Object) bool {
	was := reflect.ValueOf(before).Elem()
	is := reflect.New(was.Type()).Elem()
	is.Set(reflect.ValueOf(after).Elem())
	for _, name := range []string{"TypeMeta", "ObjectMeta", "Status"} {
		if field := is.FieldByName(name); field.IsValid() {
			field.Set(was.FieldByName(name))
		}
	}
	return equality.Semantic.DeepEqual(was.Interface(), is.Interface())
}
