package bus

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"segno/proto"
)

// TestE14ADamagedAuditIsCopiedAsFarAsItCanBeRead: what cannot be read is told of in
// its place, and a copy does not pass for whole.
func TestE14ADamagedAuditIsCopiedAsFarAsItCanBeRead(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		dir := t.TempDir()
		block := auditedTo(t, filepath.Join(dir, "log"), filepath.Join(dir, "anchor"))
		data, err := os.ReadFile(block)
		if err != nil {
			t.Fatal(err)
		}
		if damaged {
			data[bytes.Index(data, []byte("request-7"))] ^= 1
		}
		if err := os.WriteFile(block, data, 0o600); err != nil {
			t.Fatal(err)
		}
		server, end := serverUntil(t, filepath.Join(dir, "log"))
		a, stop := auditing(t, AuditConfig{Server: server, Anchor: filepath.Join(dir, "anchor")})
		want := names(t, a, proto.AuditSpan{})
		copied := t.TempDir()
		cfg := AuditRestoreConfig{StoreDir: filepath.Join(copied, "log"), Anchor: filepath.Join(copied, "anchor")}
		if err := RestoreAudit(t.Context(), cfg, a.Messages(t.Context())); err != nil {
			t.Fatal(err)
		}
		stop()
		end()
		server, _ = serverUntil(t, filepath.Join(copied, "log"))
		a, _ = auditing(t, AuditConfig{Server: server, Anchor: cfg.Anchor})
		got := names(t, a, proto.AuditSpan{})
		switch problem := proved(t, a).Problem; {
		case !damaged && (problem != "" || !slices.Equal(got, want)):
			t.Errorf("copied %v, it has %v, wrong: %s", got, want, problem)
		case damaged && (!strings.Contains(problem, "is not in the copy") || len(got) != len(want) || !slices.Contains(got, "request-9") || slices.Contains(got, "request-7")):
			t.Errorf("copied %v, it has %v, wrong: %s", got, want, problem)
		}
	}
}

// TestE14OnlyAWholeAuditIsRestored: messages follow one another.
func TestE14OnlyAWholeAuditIsRestored(t *testing.T) {
	message := func(seq proto.Seq) []byte {
		data, err := proto.EncodeAudit(seq, proto.Hash{}, 0, []*proto.AuditEvent{asked("x")})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, messages := range map[string][][]byte{
		"a gap": {message(3), message(5)}, "from 0": {message(0)}, "twice": {message(1), message(1)}, "no message": {[]byte("x")},
	} {
		cfg := AuditRestoreConfig{StoreDir: t.TempDir(), Anchor: filepath.Join(t.TempDir(), "anchor")}
		err := RestoreAudit(t.Context(), cfg, func(yield func([]byte, error) bool) {
			for _, m := range messages {
				if !yield(m, nil) {
					return
				}
			}
		})
		if err == nil {
			t.Errorf("%s: it was restored", name)
		}
	}
}
