package kinds

import (
	"cmp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

func eventKind() *events.Kind {
	wideName := nameColumn
	wideName.Priority = 1
	doc, object := corev1.Event{}.SwaggerDoc(), corev1.ObjectReference{}.SwaggerDoc()
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Event"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "events"),
		Singular:   "event",
		ShortNames: []string{"ev"},
		Namespaced: true,
		Stream:     proto.StreamNotes,

		New:     func() events.Object { return &corev1.Event{} },
		NewList: func() runtime.Object { return &corev1.EventList{} },

		Name:     apivalidation.NameIsDNSSubdomain,
		Validate: check(validateEvent),
		Classify: classify(classifyEvent),
		Fields:   selectable(eventFields),
		FieldNames: []string{
			"involvedObject.apiVersion", "involvedObject.fieldPath", "involvedObject.kind", "involvedObject.name",
			"involvedObject.namespace", "involvedObject.resourceVersion", "involvedObject.uid",
			"reason", "reportingComponent", "source", "type",
		},
		Columns: []metav1.TableColumnDefinition{
			text("Last Seen", doc["lastTimestamp"]), text("Type", doc["type"]), text("Reason", doc["reason"]),
			text("Object", doc["involvedObject"]), wide("Subobject", object["fieldPath"]), wide("Source", doc["source"]),
			text("Message", doc["message"]), wide("First Seen", doc["firstTimestamp"]), wide("Count", doc["count"]), wideName,
		},
		Row: row(eventRow),
	}
}

// validateEvent checks that an event lies in the namespace of what it tells of.
func validateEvent(event *corev1.Event) field.ErrorList {
	about := event.InvolvedObject.Namespace
	path := field.NewPath("involvedObject", "namespace")
	if about == "" {
		home := event.Namespace == metav1.NamespaceNone || event.Namespace == metav1.NamespaceDefault
		return only(!home, field.Invalid(path, about, "does not match event.namespace"))
	}
	return only(event.Namespace != about, field.Invalid(path, about, "does not match event.namespace"))
}

func classifyEvent(before, after *corev1.Event, _ proto.Section) (fact, reason string) {
	if repeats(after) > repeats(before) {
		return string(events.EventRepeated), after.Reason
	}
	return "", ""
}

func repeats(event *corev1.Event) int32 {
	if event.Series != nil {
		return event.Series.Count
	}
	return max(event.Count, 1)
}

func eventFields(event *corev1.Event) fields.Set {
	about := event.InvolvedObject
	return fields.Set{
		"involvedObject.apiVersion":      about.APIVersion,
		"involvedObject.fieldPath":       about.FieldPath,
		"involvedObject.kind":            about.Kind,
		"involvedObject.name":            about.Name,
		"involvedObject.namespace":       about.Namespace,
		"involvedObject.resourceVersion": about.ResourceVersion,
		"involvedObject.uid":             string(about.UID),
		"reason":                         event.Reason,
		"reportingComponent":             event.ReportingController,
		"source":                         cmp.Or(event.Source.Component, event.ReportingController),
		"type":                           event.Type,
	}
}

func eventRow(event *corev1.Event, now time.Time) []any {
	first := age(event.FirstTimestamp, now)
	if event.FirstTimestamp.IsZero() {
		first = age(metav1.Time{Time: event.EventTime.Time}, now)
	}
	last := first
	switch {
	case event.Series != nil:
		last = age(metav1.Time{Time: event.Series.LastObservedTime.Time}, now)
	case !event.LastTimestamp.IsZero():
		last = age(event.LastTimestamp, now)
	}
	object := strings.ToLower(event.InvolvedObject.Kind)
	if event.InvolvedObject.Name != "" {
		object += "/" + event.InvolvedObject.Name
	}
	return []any{
		last, event.Type, event.Reason, object, event.InvolvedObject.FieldPath, eventSource(event),
		strings.TrimSpace(event.Message), first, int64(repeats(event)), event.Name,
	}
}

func eventSource(event *corev1.Event) string {
	component := cmp.Or(event.Source.Component, event.ReportingController)
	instance := event.Source.Host
	if event.Source.Component == "" {
		instance = cmp.Or(instance, event.ReportingInstance)
	}
	if instance == "" {
		return component
	}
	return component + ", " + instance
}
