package api_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/apitest"
)

// TestE7SpansThatCannotBeAnsweredAreRefused by every question that has one, with the
// same words.
func TestE7SpansThatCannotBeAnsweredAreRefused(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Exporter = cfg.History.(api.Exporter) })}
	last := c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1"}}`)
	object := "resource=configmaps&namespace=default&name=app&"
	for question, names := range map[string][2]string{
		"history?" + object:          {"since", "until"},
		"history?namespace=default&": {"since", "until"},
		"diff?" + object:             {"from", "to"},
		"diff?namespace=default&":    {"from", "to"},
		"events?":                    {"from", "to"},
		"export?":                    {"from", "to"},
		"bisect?when=true&":          {"from", "to"},
	} {
		for _, span := range []struct{ from, to, says string }{
			{"1h", "2h", fmt.Sprintf("%s 1h lies behind %s 2h: exchange them", names[0], names[1])},
			{"2000h", "1000h", `moment "1000h": lies before the log begins, at `},
			{"2", "1", fmt.Sprintf("%s 2 lies behind %s 1: exchange them", names[0], names[1])},
			{"1", "9999", fmt.Sprintf("moment 9999 has not happened yet: the log ends at %d", last)},
			{"9999", "", fmt.Sprintf("moment 9999 has not happened yet: the log ends at %d", last)},
			{fmt.Sprint(last + 1), "", "has not happened yet"},
		} {
			path := historyPath + question + names[0] + "=" + span.from
			if span.to != "" {
				path += "&" + names[1] + "=" + span.to
			}
			t.Run(path, func(t *testing.T) {
				client{t, c.Cluster}.status(c.get(path), 400, metav1.StatusReasonBadRequest, span.says)
			})
		}
	}
	// Who follows may go on with what comes next.
	came := make(chan int, 1)
	go func() {
		came <- c.get(fmt.Sprintf("%sevents?follow=true&limit=1&from=%d", historyPath, last+1)).code
	}()
	c.write("POST", configMapsPath, `{"metadata":{"name":"next"},"data":{"a":"1"}}`)
	if code := <-came; code != 200 {
		t.Errorf("follow from what comes next: %d", code)
	}
}
