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

// TestE13RepeatedRefusalsAreShownWithTheirNumber, and with what they differ in.
func TestE13RepeatedRefusalsAreShownWithTheirNumber(t *testing.T) {
	for varied, want := range map[string]string{
		"":                        "eve get secrets/one 403 Forbidden ×1234 - -",
		"object":                  "eve get several 403 Forbidden ×1234 - -",
		"object,verb":             "eve several several 403 Forbidden ×1234 - -",
		"object,verb,user,source": "- several several 403 Forbidden ×1234 - -",
	} {
		event := &proto.AuditEvent{
			User: proto.AuditUser{Username: "eve"}, Verb: "get",
			ResponseStatus: &proto.AuditStatus{Code: 403, Reason: "Forbidden"}, Annotations: map[string]string{proto.AuditCount: "1234"},
		}
		switch varied {
		case "":
			event.ObjectRef = &proto.AuditObject{Resource: "secrets", Name: "one"}
		case "object,verb,user,source":
			event.User.Username = ""
			fallthrough
		default:
			event.Annotations[proto.AuditVaried] = varied
		}
		var out strings.Builder
		if err := writeAuditLine(&out, event); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(out.String())[2:], " "); got != want {
			t.Errorf("%q is shown as %q, want %q", varied, got, want)
		}
	}
}
