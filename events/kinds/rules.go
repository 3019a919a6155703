package kinds

import (
	"slices"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The small rules that validation is put together from. Each answers what is
// wrong, nothing when all is well, so that a rule of rules is slices.Concat.

const (
	immutable       = "field is immutable"
	notNegative     = "must be greater than or equal to 0"
	positive        = "must be greater than 0"
	oneFieldAtATime = "may not have more than one field specified at a time"
)

// only answers one error when bad holds.
func only(bad bool, err *field.Error) field.ErrorList {
	if bad {
		return field.ErrorList{err}
	}
	return nil
}

// required reports an empty text.
func required(path *field.Path, value string) field.ErrorList {
	return only(value == "", field.Required(path, ""))
}

// invalid turns messages about a value into errors.
func invalid(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

// named requires a text and checks its form.
func named[T ~string](path *field.Path, value T, form func(string) []string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return invalid(path, value, form(string(value)))
}

// optional checks the form of a text that may be empty.
func optional(path *field.Path, value string, form func(string) []string) field.ErrorList {
	if value == "" {
		return nil
	}
	return invalid(path, value, form(value))
}

// oneOf requires a value of a closed set.
func oneOf[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return oneOfOrEmpty(path, value, allowed...)
}

// oneOfOrEmpty checks a value of a closed set that may be missing.
func oneOfOrEmpty[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

// atLeastZero reports a negative number.
func atLeastZero[N ~int32 | ~int64](path *field.Path, n N) field.ErrorList {
	return apivalidation.ValidateNonnegativeField(int64(n), path)
}

// portNumber checks a port's range.
func portNumber(path *field.Path, port int32) field.ErrorList {
	return invalid(path, port, validation.IsValidPortNum(int(port)))
}

// portNumberOrName checks a port that is a number or the name of one.
func portNumberOrName(path *field.Path, port intstr.IntOrString) field.ErrorList {
	if port.Type == intstr.Int {
		return portNumber(path, port.IntVal)
	}
	return invalid(path, port.StrVal, validation.IsValidPortName(port.StrVal))
}

// unchanged reports a field that an update may not change.
func unchanged(path *field.Path, now, before any) field.ErrorList {
	return apivalidation.ValidateImmutableField(now, before, path)
}

// unique reports the second use of a value; seen keeps what was used.
func unique[T comparable](path *field.Path, value T, seen sets.Set[T]) field.ErrorList {
	if seen.Has(value) {
		return field.ErrorList{field.Duplicate(path, value)}
	}
	seen.Insert(value)
	return nil
}

// each checks every element of a list at its index.
func each[T any](path *field.Path, list []T, rule func(path *field.Path, item *T) field.ErrorList) field.ErrorList {
	var errs field.ErrorList
	for i := range list {
		errs = append(errs, rule(path.Index(i), &list[i])...)
	}
	return errs
}

// exactlyOne reports none or several of the named alternatives that are set;
// names are in the order in which they are reported.
func exactlyOne(path *field.Path, missing, several string, alternatives ...alternative) field.ErrorList {
	var errs field.ErrorList
	count := 0
	for _, a := range alternatives {
		if !a.set {
			continue
		}
		if count++; count > 1 {
			errs = append(errs, field.Forbidden(path.Child(a.name), several))
		}
	}
	if count == 0 {
		errs = append(errs, field.Required(path, missing))
	}
	return errs
}

// alternative is one of several fields of which exactly one may be set.
type alternative struct {
	name string
	set  bool
}

// dnsSubdomain and its like fit apimachinery's name rules into named.
func dnsSubdomain(name string) []string { return apivalidation.NameIsDNSSubdomain(name, false) }

func dnsLabel(name string) []string { return validation.IsDNS1123Label(name) }
