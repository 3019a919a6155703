package api

import (
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// reviews are the resources that only answer a question: nothing is kept.
var reviews = map[string]func(*call) error{
	"selfsubjectaccessreviews.authorization.k8s.io": (*call).canI,
	"selfsubjectrulesreviews.authorization.k8s.io":  (*call).rules,
	"selfsubjectreviews.authentication.k8s.io":      (*call).whoAmI,
}

// canI answers whether the user may do what the body describes.
func (c *call) canI() error {
	review := &authorizationv1.SelfSubjectAccessReview{}
	gvk := authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview")
	if err := c.decodeBody(review, gvk); err != nil {
		return err
	}
	var t Target
	switch {
	case review.Spec.ResourceAttributes != nil:
		ra := review.Spec.ResourceAttributes
		t = Target{Verb: ra.Verb, Group: ra.Group, Version: ra.Version, Namespace: ra.Namespace,
			Resource: ra.Resource, Name: ra.Name, Subresource: ra.Subresource}
	case review.Spec.NonResourceAttributes != nil:
		t = Target{Verb: review.Spec.NonResourceAttributes.Verb, Path: review.Spec.NonResourceAttributes.Path}
	default:
		return badRequest("spec: one of resourceAttributes and nonResourceAttributes is required")
	}
	allowed, reason, err := c.api.cfg.Authorizer.Authorize(c.r.Context(), c.user, t)
	review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: allowed, Reason: reason}
	if err != nil {
		review.Status.EvaluationError = err.Error()
	}
	return c.answerReview(review, gvk)
}

// ruler is what an Authorizer may also offer: the rules of a user in a
// namespace.
type ruler interface {
	Rules(user User, namespace string) ([]authorizationv1.ResourceRule, []authorizationv1.NonResourceRule)
}

// rules lists what the user may do.
func (c *call) rules() error {
	review := &authorizationv1.SelfSubjectRulesReview{}
	gvk := authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectRulesReview")
	if err := c.decodeBody(review, gvk); err != nil {
		return err
	}
	review.Status = authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{},
	}
	if known, ok := c.api.cfg.Authorizer.(ruler); ok {
		review.Status.ResourceRules, review.Status.NonResourceRules = known.Rules(c.user, review.Spec.Namespace)
	} else {
		review.Status.Incomplete = true
	}
	return c.answerReview(review, gvk)
}

// whoAmI tells the user who the server thinks it is.
func (c *call) whoAmI() error {
	review := &authenticationv1.SelfSubjectReview{}
	gvk := authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview")
	if err := c.decodeBody(review, gvk); err != nil {
		return err
	}
	review.Status.UserInfo = authenticationv1.UserInfo{Username: c.user.Name, Groups: append([]string{}, c.user.Groups...)}
	if !c.user.listed(GroupAuthenticated) {
		review.Status.UserInfo.Groups = append(review.Status.UserInfo.Groups, GroupAuthenticated)
	}
	return c.answerReview(review, gvk)
}

func (c *call) answerReview(review runtime.Object, gvk schema.GroupVersionKind) error {
	a, err := acceptOf(c.r)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, review, gvk, a)
}
