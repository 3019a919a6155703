package kinds

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// unknown is what a table shows for a time that is not set.
const unknown = "<unknown>"

// none is what a table shows for an empty value.
const none = "<none>"

// nameColumn begins every table.
var nameColumn = metav1.TableColumnDefinition{
	Name: "Name", Type: "string", Format: "name",
	Description: metav1.ObjectMeta{}.SwaggerDoc()["name"],
}

// ageColumn is the age of the object; age fills it.
var ageColumn = metav1.TableColumnDefinition{
	Name: "Age", Type: "string",
	Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"],
}

func text(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: description}
}

func number(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: description}
}

// wide is a column that is shown only on request (-o wide).
func wide(name, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Priority: 1, Description: description}
}

// age is how long ago t was, as kubectl shows it.
func age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// orNone shows an empty text as <none>.
func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// orUnknown shows an empty text as <unknown>.
func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
