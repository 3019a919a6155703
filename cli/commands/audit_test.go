package commands

import (
	"strings"
	"testing"

	"segno/proto"
)

func TestE13ForksAreListedByWhatWasDone(t *testing.T) {
	for question, want := range map[string]string{"forks": " delete ", "why": " why "} {
		var out strings.Builder
		err := writeAuditLine(&out, &proto.AuditEvent{
			Verb: "delete", ObjectRef: &proto.AuditObject{Resource: "forks", Name: "try"}, ResponseStatus: &proto.AuditStatus{Code: 200},
			Annotations: map[string]string{proto.AuditQuestion: question},
		})
		if err != nil || !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "try") {
			t.Errorf("%v: %s", err, out.String())
		}
	}
}
