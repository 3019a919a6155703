package api

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Authorizer says who may do what. allowed false with a nil error is a plain
// refusal; reason is for people and may be empty.
type Authorizer interface {
	Authorize(ctx context.Context, user User, target Target) (allowed bool, reason string, err error)
}

// Masters is the rule for as long as there are no roles: the group
// system:masters may do everything, every authenticated user may read
// discovery and ask about itself, everybody else nothing.
type Masters struct{}

// Authorize implements Authorizer.
func (Masters) Authorize(_ context.Context, user User, target Target) (bool, string, error) {
	switch {
	case user.forked():
		return false, "this credential is for a fork of the cluster, and for nothing else", nil
	case user.listed(GroupMasters):
		return true, "", nil
	case target.Resource == "" && target.Verb == verbGet:
		return true, "", nil
	case aboutSelf(target):
		return true, "", nil
	default:
		return false, "", nil
	}
}

// anyOf allows what one of its rules allows.
type anyOf []Authorizer

// Authorize implements Authorizer. The last reason is the one that is told.
func (rules anyOf) Authorize(ctx context.Context, user User, target Target) (allowed bool, reason string, err error) {
	for _, rule := range rules {
		if allowed, reason, err = rule.Authorize(ctx, user, target); allowed || err != nil {
			return allowed, reason, err
		}
	}
	return false, reason, nil
}

// Rules lists what the rules that can tell let the user do.
func (rules anyOf) Rules(user User, namespace string) (out []authorizationv1.ResourceRule, paths []authorizationv1.NonResourceRule) {
	for _, rule := range rules {
		if known, ok := rule.(ruler); ok {
			more, morePaths := known.Rules(user, namespace)
			out, paths = append(out, more...), append(paths, morePaths...)
		}
	}
	return out, paths
}

// aboutSelf tells whether the request only asks about the user itself.
func aboutSelf(t Target) bool {
	if t.Verb != verbCreate {
		return false
	}
	switch t.Resource + "." + t.Group {
	case "selfsubjectaccessreviews.authorization.k8s.io",
		"selfsubjectrulesreviews.authorization.k8s.io",
		"selfsubjectreviews.authentication.k8s.io":
		return true
	}
	return false
}

// Rules lists what the user may do, for `kubectl auth can-i --list`.
func (Masters) Rules(user User, _ string) ([]authorizationv1.ResourceRule, []authorizationv1.NonResourceRule) {
	if user.listed(GroupMasters) {
		return []authorizationv1.ResourceRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}},
			[]authorizationv1.NonResourceRule{{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}}
	}
	return []authorizationv1.ResourceRule{
			{Verbs: []string{verbCreate}, APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}},
			{Verbs: []string{verbCreate}, APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"selfsubjectreviews"}},
		}, []authorizationv1.NonResourceRule{
			{Verbs: []string{verbGet}, NonResourceURLs: []string{"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/healthz", "/livez", "/readyz"}},
		}
}

// forbidden is the refusal in Kubernetes' words.
func forbidden(user User, t Target, reason string) error {
	resource := schema.GroupResource{Group: t.Group, Resource: t.Resource}
	if t.Resource == "" {
		return forbiddenPath(user, t, reason)
	}
	what := resource.Resource
	if t.Subresource != "" {
		what += "/" + t.Subresource
	}
	text := fmt.Sprintf("User %q cannot %s resource %q in API group %q", user.Name, t.Verb, what, t.Group)
	if t.Namespace != "" {
		text += fmt.Sprintf(" in the namespace %q", t.Namespace)
	} else {
		text += " at the cluster scope"
	}
	if reason != "" {
		text += ": " + reason
	}
	return apierrors.NewForbidden(resource, t.Name, errorText(text))
}

func forbiddenPath(user User, t Target, reason string) error {
	text := fmt.Sprintf("User %q cannot %s path %q", user.Name, t.Verb, t.Path)
	if reason != "" {
		text += ": " + reason
	}
	err := apierrors.NewForbidden(schema.GroupResource{}, "", errorText(text))
	err.ErrStatus.Message = "forbidden: " + text
	return err
}

// errorText is an error that is nothing but its text.
type errorText string

func (e errorText) Error() string { return string(e) }
