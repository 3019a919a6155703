package projections

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// tampered is a projection of a log, of which one row was changed behind its
// back: value nil deletes it.
func tampered(t *testing.T, key []byte, change func(value []byte) []byte) *Projection {
	t.Helper()
	p := open(t, Config{Dir: t.TempDir() + "/state"})
	commit(t, p, randomLog(rand.New(rand.NewPCG(1, 1)), 700)...)
	value, err := p.read(key)
	if err != nil {
		t.Fatal(err)
	}
	if value = change(value); value == nil {
		err = p.db.Delete(key, pebble.Sync)
	} else {
		err = p.db.Set(key, value, pebble.Sync)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lastByte(value []byte) []byte {
	value[len(value)-1] ^= 1
	return value
}

func TestE13VerifyNamesTheFirstProblem(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 1)), 700)
	probe := open(t, Config{})
	commit(t, probe, log...)
	var someLabel, someCurrent, someVersion []byte
	it, err := probe.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		for space, to := range map[byte]*[]byte{spaceLabel: &someLabel, spaceCurrent: &someCurrent, spaceVersion: &someVersion} {
			if it.Key()[0] == space {
				*to = append([]byte(nil), it.Key()...)
			}
		}
	}
	gone := func([]byte) []byte { return nil }
	for name, c := range map[string]struct {
		key    []byte
		change func([]byte) []byte
		want   string
	}{
		"an event's body is changed": {eventKey(500), lastByte, "transaction 501: says that its predecessor has hash"},
		"the last event is changed":  {eventKey(700), lastByte, "transaction 700: the state after it has hash"},
		"a state hash is changed": {eventKey(300), func(v []byte) []byte {
			v[0] ^= 1
			return v
		}, "row event 300: is"},
		"an event is not readable":    {eventKey(400), func([]byte) []byte { return []byte("x") }, "transaction 400: cannot be read: read transaction 400: malformed row"},
		"an event is missing":         {eventKey(600), gone, "transaction 600: is missing, or another one (601) lies in its place"},
		"an event has another's row":  {eventKey(200), func([]byte) []byte { return append(make([]byte, 32), log[99].Encoded...) }, "transaction 200: is missing, or another one (100) lies in its place"},
		"an index row is missing":     {someLabel, gone, "row " + describeKey(someLabel) + ": is missing"},
		"an index row is too many":    {labelPrefix(pods, "a", "b"), func([]byte) []byte { return []byte{} }, "row label /pods/a/b: should not be there"},
		"a current row is changed":    {someCurrent, lastByte, "row " + describeKey(someCurrent) + ": is"},
		"a version's body is changed": {someVersion, lastByte, "row " + describeKey(someVersion) + ": is"},
		"the position's hash is changed": {[]byte{spacePosition}, func(v []byte) []byte {
			v[8] ^= 1
			return v
		}, "transaction 700: has hash"},
		"the position's state hash is changed": {[]byte{spacePosition}, lastByte, "row position: is"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tampered(t, c.key, c.change)
			report, err := p.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Problem == nil || !strings.HasPrefix(report.Problem.String(), c.want) {
				t.Errorf("found %v, want %q", report.Problem, c.want)
			}
		})
	}
}

func TestE13VerifyFindsNothingInASoundProjection(t *testing.T) {
	dir := t.TempDir()
	p := open(t, Config{Dir: dir + "/state"})
	if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem != nil {
		t.Errorf("of an empty projection: %v, %v", report.Problem, err)
	}
	commit(t, p, randomLog(rand.New(rand.NewPCG(1, 1)), 700)...)
	var done, total int
	report, err := p.Verify(t.Context(), func(d, n int) { done, total = d, n })
	if err != nil || report.Problem != nil {
		t.Errorf("%v, %v", report.Problem, err)
	}
	if done != 700 || total != 700 || report.Events != 700 || report.Position != p.Position() || report.StateHash != p.StateHash() {
		t.Errorf("%d of %d, report %+v", done, total, report)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestE13VerifyReportsADamagedFile(t *testing.T) {
	dir := t.TempDir() + "/state"
	p, err := Open(Config{Dir: dir, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, p, randomLog(rand.New(rand.NewPCG(1, 1)), 2000)...)
	if err := p.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), ".sst") {
			continue
		}
		file := dir + "/" + name.Name()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/3] ^= 0x10
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p = open(t, Config{Dir: dir})
	if report, err := p.Verify(t.Context(), nil); err != nil || report.Problem == nil {
		t.Errorf("of files with flipped bits: %v, %v", report.Problem, err)
	}
}

func TestOpenRefusesRowsOfAnotherFormat(t *testing.T) {
	p := open(t, Config{})
	if err := p.db.Set([]byte{spaceFormat}, []byte{99}, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if _, err := p.load(); err == nil || !strings.Contains(err.Error(), "delete the folder") {
		t.Errorf("load: %v", err)
	}
}

func TestCommitRefusesWhatDoesNotFollow(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 1)), 20)
	var other script
	for range 20 {
		other.add(marked())
	}
	p := open(t, Config{})
	commit(t, p, log[:10]...)
	before := dumpOf(t, p)
	for name, entries := range map[string][]proto.Entry{
		"a gap":            log[11:],
		"a gap inside":     {log[10], log[12]},
		"another history":  other.log[10:],
		"a foreign branch": {log[10], other.log[11]},
	} {
		if err := p.Commit(entries, nil); err == nil || !strings.Contains(err.Error(), ErrGap.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	commit(t, p, log[:10]...) // what is folded is skipped
	if after := dumpOf(t, p); after != before {
		t.Error("refused entries changed rows")
	}
	commit(t, p, log...)
	if p.Position().Seq != 20 {
		t.Errorf("position %s", p.Position().Seq)
	}
	if err := open(t, Config{}).Commit(log[1:], nil); err == nil {
		t.Error("an empty projection of a log that is kept whole took one without its beginning")
	}
}
