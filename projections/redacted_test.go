package projections

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"segno/proto"
)

// redactedLog is a random log; every fifth transaction has other bytes than its
// hash is of.
func redactedLog(t *testing.T, n int) (log []proto.Entry, redacted int) {
	t.Helper()
	log = randomLog(rand.New(rand.NewPCG(7, 1)), n)
	for i := range log {
		if i%5 != 0 {
			continue
		}
		env := *log[i].Envelope
		env.Via = "redacted"
		log[i].Envelope, log[i].Encoded, log[i].Redacted = &env, proto.Encode(&env), true
		redacted++
	}
	return log, redacted
}

// TestE14ARedactedLogIsLinkedByWhatItWas: the chain goes through the hashes of
// the whole transactions, and verify counts those it cannot prove.
func TestE14ARedactedLogIsLinkedByWhatItWas(t *testing.T) {
	log, redacted := redactedLog(t, 50)
	p := open(t, Config{Redacted: true})
	commit(t, p, log...)
	i := 0
	for e, err := range p.Entries(t.Context(), 1, Newest) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Hash != log[i].Hash || e.Redacted != log[i].Redacted || string(e.Encoded) != string(log[i].Encoded) {
			t.Fatalf("transaction %s came back another one: %+v", e.Envelope.Seq, e.Entry)
		}
		if at, _, err := p.PositionAt(e.Envelope.Seq); err != nil || at.Hash != e.Hash {
			t.Fatalf("position of %s: %v, %v", e.Envelope.Seq, at, err)
		}
		i++
	}
	report, err := p.Verify(t.Context(), nil)
	if err != nil || report.Problem != nil || report.Redacted != redacted || report.Events != 50 {
		t.Errorf("%+v, %v: %v", report, err, report.Problem)
	}
}

// TestE13ALogThatIsKeptWholeTakesNoRedaction: whoever could say so could hide
// what was changed.
func TestE13ALogThatIsKeptWholeTakesNoRedaction(t *testing.T) {
	log, _ := redactedLog(t, 10)
	if err := open(t, Config{}).Commit(log, nil); !errors.Is(err, errRedacted) {
		t.Errorf("it was committed: %v", err)
	}
	p := tampered(t, eventKey(500), func(value []byte) []byte {
		hash := proto.HashOf(value[len(proto.Hash{}):])
		out := append(append([]byte(nil), value[:len(hash)]...), redactedMark)
		return lastByte(append(append(out, hash[:]...), value[len(hash):]...))
	})
	report, err := p.Verify(t.Context(), nil)
	if err != nil || report.Problem == nil || !strings.HasPrefix(report.Problem.String(), "transaction 500: is not whole") {
		t.Errorf("found %v, %v", report.Problem, err)
	}
}

// TestE13ASnapshotIsProvedToo: what a log that began with one holds is folded
// again over it.
func TestE13ASnapshotIsProvedToo(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(3, 1)), 60)
	whole := open(t, Config{})
	commit(t, whole, log...)
	for name, tamper := range map[string]func(p *Projection) error{
		"its hash":         func(p *Projection) error { return change(p, []byte{spaceStart}, 12) },
		"a transaction":    func(p *Projection) error { return change(p, eventKey(41), 40) },
		"its state":        func(p *Projection) error { return change(p, []byte{spaceStart}, 80) },
		"nothing but time": nil,
	} {
		p := seeded(t, whole, log, 40, Config{})
		commit(t, p, log[40:]...)
		if tamper != nil {
			if err := tamper(p); err != nil {
				t.Fatal(err)
			}
		}
		report, err := p.Verify(t.Context(), nil)
		if err != nil || (report.Problem == nil) != (tamper == nil) {
			t.Errorf("%s was changed, found: %v, %v", name, report.Problem, err)
		}
	}
}

// change flips a bit of a row.
func change(p *Projection, key []byte, at int) error {
	value, err := p.read(key)
	if err != nil {
		return err
	}
	value[at] ^= 1
	return p.db.Set(key, value, p.write)
}
