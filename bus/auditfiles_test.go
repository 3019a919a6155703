package bus

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"segno/proto"
)

// TestE13EveryByteOfTheAuditIsProvedWithoutAServer changes one byte after the
// other of a stopped server's files.
func TestE13EveryByteOfTheAuditIsProvedWithoutAServer(t *testing.T) {
	cfg, file, whole := auditFiles(t)
	found := func(data []byte) proto.AuditProof {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		proof, err := VerifyAuditFiles(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return proof
	}
	if proof := found(whole); proof.Problem != "" || proof.Seq != 20 || proof.Records != 20 || proof.Events != 20 {
		t.Fatalf("of whole files is said %+v", proof)
	}
	for place := 0; place < len(whole); place += 3 {
		data := bytes.Clone(whole)
		data[place] ^= 0x20
		if proof := found(data); !strings.Contains(proof.Problem, "audit message") || !strings.Contains(proof.Problem, file) {
			t.Errorf("byte %d of %d was changed, and is said: %+v", place, len(whole), proof)
		}
	}
	for _, length := range []int{0, 10, len(whole) / 2, len(whole) - 1} {
		if proof := found(whole[:length]); !strings.Contains(proof.Problem, "audit message") {
			t.Errorf("of %d bytes of %d is said: %+v", length, len(whole), proof)
		}
	}
	// What was not known to be written yet may be unfinished, and is told as that.
	if err := (anchor{Seq: 3, Hash: hexHash(hashAt(t, file, whole, 3))}).write(cfg.Anchor); err != nil {
		t.Fatal(err)
	}
	if proof := found(whole[:len(whole)-1]); !strings.Contains(proof.Problem, "begun and not finished") || proof.Seq != 19 {
		t.Errorf("of an unfinished end is said: %+v", proof)
	}
	if err := (anchor{Seq: 3, Hash: strings.Repeat("0", 64)}).write(cfg.Anchor); err != nil {
		t.Fatal(err)
	}
	if proof := found(whole); !strings.Contains(proof.Problem, "audit message 3: expected the hash 00000000, which was written") {
		t.Errorf("of another message than was anchored is said: %+v", proof)
	}
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(file))); err != nil {
		t.Fatal(err)
	}
	if proof, err := VerifyAuditFiles(t.Context(), cfg); err != nil || !strings.Contains(proof.Problem, "all up to message 3") {
		t.Errorf("of no files is said: %+v, %v", proof, err)
	}
	cfg.Anchor = ""
	if proof, err := VerifyAuditFiles(t.Context(), cfg); err != nil || proof.Problem != "" {
		t.Errorf("of an audit that never was is said: %+v, %v", proof, err)
	}
}

// hashAt is the hash of a message in a file.
func hashAt(t *testing.T, file string, data []byte, seq proto.Seq) proto.Hash {
	t.Helper()
	for len(data) > 0 {
		h := readHead(data)
		if proto.Seq(h.seq) == seq {
			return proto.HashOf(h.message(data[:h.length]))
		}
		data = data[h.length:]
	}
	t.Fatalf("%s has no message %s", file, seq)
	return proto.Hash{}
}

// TestE13AChangedFileUnderARunningAuditIsFound: what the server remembers does not
// hide it.
func TestE13AChangedFileUnderARunningAuditIsFound(t *testing.T) {
	dir := t.TempDir()
	server, end := serverUntil(t, filepath.Join(dir, "log"))
	defer end()
	a, stop := auditing(t, AuditConfig{Server: server, Anchor: filepath.Join(dir, "anchor")})
	defer stop()
	for _, name := range []string{"one", "two"} {
		a.Record(asked(name))
		if proof := proved(t, a); proof.Problem != "" || proof.Records != proof.Messages {
			t.Fatalf("proved %+v", proof)
		}
	}
	files, err := filepath.Glob(filepath.Join(server.streamDir(proto.StreamAudit), "msgs", "*.blk"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(`"get"`))+1] = 'p'
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if proof := proved(t, a); !strings.Contains(proof.Problem, "audit message 1") {
		t.Errorf("proved %+v", proof)
	}
}

// auditFiles is where an audit of some messages lies, its one file, and what that
// holds.
func auditFiles(t *testing.T) (cfg AuditFilesConfig, file string, whole []byte) {
	t.Helper()
	dir := t.TempDir()
	cfg = AuditFilesConfig{StoreDir: filepath.Join(dir, "log"), Anchor: filepath.Join(dir, "anchor")}
	file = auditedTo(t, cfg.StoreDir, cfg.Anchor)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, file, whole
}
