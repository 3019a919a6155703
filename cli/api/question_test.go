package api_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/apitest"
)

// TestE15UnknownParametersAreRefused: a filter with a letter too few would answer
// everything.
func TestE15UnknownParametersAreRefused(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for _, question := range []string{
		"history", "blame", "diff", "why", "blast", "events", "verify", "backup", "export", "bisect", "audit", "forks", "checkpoints",
	} {
		got := c.get(historyPath + question + "?frobnicate=1&resource=pods&namespace=default&name=none")
		c.status(got, 400, metav1.StatusReasonBadRequest, `parameter "frobnicate": `+question+" takes ")
	}
	got := c.get(historyPath + "diff?from=1&sektion=spec")
	c.status(got, 400, metav1.StatusReasonBadRequest, "diff takes group, resource, namespace, name, from, to, section, stat, fork")
	got = c.get(historyPath + "epochs?limit=1")
	c.status(got, 400, metav1.StatusReasonBadRequest, `parameter "limit": epochs takes none`)
	if got := c.get(historyPath + "events?timeout=10s&pretty=true&to=1"); got.code != 200 {
		t.Errorf("what clients of Kubernetes add: %+v", got)
	}
}

// TestE15WhatABodySaysWronglyIsToldInItsOwnWords: not in those of Go.
func TestE15WhatABodySaysWronglyIsToldInItsOwnWords(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for body, want := range map[string]string{
		`{"seqs":["x"]}`:  "field seqs: must be a whole number, not below 0, and not string",
		`{"seqs":[-1]}`:   "field seqs: must be a whole number, not below 0, and not number -1",
		`{"seqs":7}`:      "field seqs: must be a list, and not number",
		`{"force":"yes"}`: "field force: must be true or false, and not string",
		`[]`:              "must be an object, and not array",
		`{"sequ":[1]}`:    `unknown field "sequ"`,
	} {
		c.status(c.do("POST", historyPath+"undo", body), 400, metav1.StatusReasonBadRequest, want)
	}
}
