package api

import (
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// listOptions are the parameters of a list or watch, checked.
type listOptions struct {
	version     proto.Seq
	versionSet  bool // resourceVersion was given and is not ""
	match       metav1.ResourceVersionMatch
	limit       int
	cont        string
	bookmarks   bool
	sendInitial *bool
	timeout     time.Duration // 0: none asked
}

func listOptionsOf(query url.Values, watch bool) (listOptions, error) {
	o := listOptions{
		match:     metav1.ResourceVersionMatch(query.Get("resourceVersionMatch")),
		cont:      query.Get("continue"),
		bookmarks: flag(query.Get("allowWatchBookmarks")),
	}
	var problems field.ErrorList
	if text := query.Get("resourceVersion"); text != "" {
		seq, err := proto.ParseSeq(text)
		if err != nil {
			problems = append(problems, field.Invalid(field.NewPath("resourceVersion"), text, "must be a decimal number"))
		}
		o.version, o.versionSet = seq, true
	}
	number := func(name string) int64 {
		text := query.Get(name)
		if text == "" {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			problems = append(problems, field.Invalid(field.NewPath(name), text, "must be a whole number, not below 0"))
			return 0
		}
		return n
	}
	o.limit = int(min(number("limit"), 1<<31))
	o.timeout = time.Duration(min(number("timeoutSeconds"), 1<<31)) * time.Second
	if text, ok := query["sendInitialEvents"]; ok {
		send := flag(text[0])
		o.sendInitial = &send
	}
	problems = append(problems, o.problems(watch)...)
	if len(problems) > 0 {
		return o, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", problems)
	}
	return o, nil
}

// problems are the combinations that Kubernetes refuses.
func (o listOptions) problems(watch bool) (out field.ErrorList) {
	match, initial := field.NewPath("resourceVersionMatch"), field.NewPath("sendInitialEvents")
	forbid := func(path *field.Path, why string) { out = append(out, field.Forbidden(path, why)) }
	switch o.match {
	case "", metav1.ResourceVersionMatchExact, metav1.ResourceVersionMatchNotOlderThan:
	default:
		out = append(out, field.NotSupported(match, o.match,
			[]metav1.ResourceVersionMatch{metav1.ResourceVersionMatchExact, metav1.ResourceVersionMatchNotOlderThan}))
	}
	switch {
	case watch && o.sendInitial != nil && o.match != metav1.ResourceVersionMatchNotOlderThan:
		forbid(match, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
	case watch && o.sendInitial == nil && o.match != "":
		forbid(match, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
	case !watch && o.sendInitial != nil:
		forbid(initial, "sendInitialEvents is forbidden for list")
	case !watch && o.match != "" && !o.versionSet:
		forbid(match, "resourceVersionMatch is forbidden unless resourceVersion is provided")
	case !watch && o.match != "" && o.cont != "":
		forbid(match, "resourceVersionMatch is forbidden when continue is provided")
	case !watch && o.match == metav1.ResourceVersionMatchExact && o.version == 0:
		forbid(match, "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
	}
	if o.cont != "" && o.versionSet && o.version != 0 {
		forbid(field.NewPath("resourceVersion"), "specifying resource version is not allowed when using continue")
	}
	return out
}
