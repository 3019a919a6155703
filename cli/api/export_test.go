package api_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/apitest"
)

// TestE14ExportNeedsTheRightToAllOfIt: the values of Secrets are for those who may
// list these, and nothing is for those who may not list what is in the file.
func TestE14ExportNeedsTheRightToAllOfIt(t *testing.T) {
	const path = historyPath + "export"
	for _, test := range []struct {
		rule    no
		secrets bool
		allowed bool
	}{
		{no{"list", "nothing"}, true, true},
		{no{"list", "secrets"}, false, true},
		{no{"list", "secrets"}, true, false},
		{no{"list", "configmaps"}, false, false},
		{no{"list", "leases"}, false, false},
	} {
		c := client{t, apitest.New(t, func(cfg *api.Config) {
			cfg.Authorizer, cfg.Exporter = test.rule, cfg.History.(api.Exporter)
		})}
		reply := c.get(fmt.Sprintf("%s?secrets=%v", path, test.secrets))
		if !test.allowed {
			c.status(reply, 403, metav1.StatusReasonForbidden, fmt.Sprintf("cannot list resource %q", test.rule.resource))
			continue
		}
		if reply.code != 200 {
			t.Errorf("%+v: %d %s", test, reply.code, reply.body)
		}
	}
}
