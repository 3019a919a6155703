package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"segno/proto"
)

func sample() Checkpoint {
	return Checkpoint{
		Seq: 42, Hash: proto.HashOf([]byte("a")), State: proto.HashOf([]byte("b")),
		Time: time.Date(2026, 11, 23, 16, 41, 2, 113_000_000, time.UTC), Stream: "EVENTS",
	}
}

func key(t *testing.T, origin string) Key {
	t.Helper()
	k, err := NewKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signed(t *testing.T, k Key) []byte {
	t.Helper()
	note, err := k.Sign(sample())
	if err != nil {
		t.Fatal(err)
	}
	return note
}

func TestE13ACheckpointIsProvedByItsPublicKeyAlone(t *testing.T) {
	k := key(t, "segno/home/0a1b2c")
	note := signed(t, k)
	const text = `segno/home/0a1b2c
42
ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=
time 2026-11-23T16:41:02.113Z
state PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=
stream EVENTS
`
	body, signature, found := strings.Cut(string(note), "\n\n— segno/home/0a1b2c ")
	if !found || body+"\n" != text {
		t.Fatalf("the note is\n%s", note)
	}
	got, err := Open(note, k.Public+"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Origin = "segno/home/0a1b2c"
	if got != want {
		t.Errorf("it states %+v, want %+v", got, want)
	}
	want.Audit, want.AuditHash = 7, proto.HashOf([]byte("c"))
	audited, err := k.Sign(want)
	if err != nil || !strings.Contains(string(audited), "\nstream EVENTS\naudit 7 "+encode(want.AuditHash)+"\n\n— ") {
		t.Fatalf("%v, %s", err, audited)
	}
	if got, err := Open(audited, k.Public); err != nil || got != want {
		t.Errorf("with the audit it states %+v, %v", got, err)
	}
	// Plain Ed25519 over the text, as anybody's own code would check it.
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(signature))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(k.Public, "+", 3)
	public, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public[1:], []byte(body+"\n"), raw[4:]) {
		t.Error("it is no Ed25519 signature of the text")
	}
}

func TestE13NoByteOfACheckpointCanBeChanged(t *testing.T) {
	k := key(t, "segno/home/0a1b2c")
	note := signed(t, k)
	for at := range note {
		changed := bytes.Clone(note)
		changed[at] ^= 1
		if got, err := Open(changed, k.Public); err == nil {
			t.Errorf("byte %d changed: it states %+v", at, got)
		}
	}
	if _, err := Open(note, key(t, "segno/home/0a1b2c").Public); err == nil || !strings.Contains(err.Error(), "not signed with the key") {
		t.Errorf("another key of that name: %v", err)
	}
	for _, public := range []string{"", "x", "a+b+c", "segno+00000000+AAAA"} {
		if _, err := Open(note, public); err == nil || !strings.Contains(err.Error(), "segno checkpoint key") {
			t.Errorf("key %q: %v", public, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Checkpoint{Origin: "o"}.text())
	f.Add(Checkpoint{Origin: "o", Audit: 3}.text())
	f.Add("o\n18446744073709551616\n\n\n\n\n")
	f.Add("o\n1\nAAAA\ntime x\nstate y\nstream z\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if err != nil {
			return
		}
		again, err := parse(c.text())
		if err != nil || again.Seq != c.Seq || again.Hash != c.Hash || again.State != c.State || again.Stream != c.Stream || again.Audit != c.Audit || again.AuditHash != c.AuditHash {
			t.Errorf("%+v reads back as %+v, %v", c, again, err)
		}
	})
}

func TestKeyIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := KeptKey(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := KeptKey(dir, "b") // renamed meanwhile: the log's name stays
	if err != nil || again != first {
		t.Fatalf("the key is %v then, %v", again, err)
	}
	if err := os.WriteFile(filepath.Join(dir, publicFile), []byte(key(t, "a").Public), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := KeptKey(dir, "a"); err == nil || !strings.Contains(err.Error(), "from a backup") {
		t.Errorf("halves of two keys: %v", err)
	}
}

func TestCheckpointsAreAppended(t *testing.T) {
	kept, k := In(filepath.Join(t.TempDir(), "checkpoints")), key(t, "a")
	one := signed(t, k)
	for want := 1; want <= 3; want++ {
		if err := kept.Append(one); err != nil {
			t.Fatal(err)
		}
		all, err := kept.All()
		if err != nil || len(all) != want {
			t.Fatalf("%d kept, %v, want %d", len(all), err, want)
		}
		for _, note := range all {
			if _, err := Open(note, k.Public); err != nil {
				t.Fatalf("a kept note: %v\n%s", err, note)
			}
		}
	}
	whole, err := os.ReadFile(kept.file())
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(one) { // a crash while the fourth is written
		if err := os.WriteFile(kept.file(), append(bytes.Clone(whole), one[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := kept.Append(one); err != nil {
			t.Fatal(err)
		}
		all, err := kept.All()
		if err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, note := range all {
			if _, err := Open(note, k.Public); err == nil {
				good++
			}
		}
		if want := 4 + cut/(len(one)-1); good != want { // all but its last line end is there, too
			t.Fatalf("cut behind %d bytes: %d of %d are there", cut, good, want)
		}
	}
}
