package bus

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"segno/proto"
)

// nothing of it is wanted.
func nothing(*proto.AuditEvent) bool { return false }

// notes are the events that are made up in the place of what cannot be read.
func notes(t *testing.T, a *Audit) (out []*proto.AuditEvent) {
	t.Helper()
	for event, err := range a.Read(t.Context(), proto.AuditSpan{Until: time.Now().Add(-time.Hour)}, nothing) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, event)
	}
	return out
}

// TestE13DamageOfTheAuditIsToldAtTheStart with what to do, once, and by whoever
// asks; what cannot be read is told of with the time at which that was found.
func TestE13DamageOfTheAuditIsToldAtTheStart(t *testing.T) {
	for name, want := range map[string]int{"request-3": 1, "": 0} {
		t.Run("changed "+name, func(t *testing.T) {
			dir := t.TempDir()
			block := auditedTo(t, filepath.Join(dir, "log"), filepath.Join(dir, "anchor"))
			data, err := os.ReadFile(block)
			if err != nil {
				t.Fatal(err)
			}
			if at := bytes.Index(data, []byte(name)); name != "" {
				data[at] ^= 1
			}
			if err := os.WriteFile(block, data, 0o600); err != nil {
				t.Fatal(err)
			}
			server, _ := serverUntil(t, filepath.Join(dir, "log"))
			var lines bytes.Buffer
			a, stop := auditing(t, AuditConfig{Server: server, Anchor: filepath.Join(dir, "anchor"), Log: slog.New(slog.NewTextHandler(&lines, nil))})
			<-a.proved
			is, err := a.Extent(t.Context())
			if err != nil || (is.Damage != "") != (want > 0) || (is.Advice != "") != (want > 0) || is.Found.IsZero() != (want == 0) {
				t.Errorf("its extent is %+v, %v", is, err)
			}
			first := notes(t, a)
			again := notes(t, a)
			if len(first) < want || len(again) != len(first) || want == 0 && len(first) > 0 {
				t.Fatalf("notes: %v, then %v", first, again)
			}
			for i := range first {
				if !first[i].StageAt.Equal(again[i].StageAt.Time) || first[i].ResponseStatus.Reason != reasonDamaged {
					t.Errorf("it was found at %s, and then at %s: %+v", first[i].StageAt, again[i].StageAt, first[i].ResponseStatus)
				}
			}
			proved(t, a)
			stop()
			told := strings.Count(lines.String(), "the audit is not what it was: ")
			if told != want || want > 0 && !strings.Contains(lines.String(), "do=\"look at the disk") {
				t.Errorf("it is told %d times:\n%s", told, &lines)
			}
		})
	}
}
