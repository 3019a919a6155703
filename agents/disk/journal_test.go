package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"segno/agents/disk"
)

func journal(t *testing.T, path string) (*disk.Journal, disk.Records) {
	t.Helper()
	j, records, err := disk.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, records
}

func shown(r disk.Records) string { return fmt.Sprintf("%s lost %t", r.Whole, r.Lost != nil) }

func TestAJournalHasWhatWasPutLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "journal")
	j, records := journal(t, path)
	if shown(records) != "map[] lost false" {
		t.Errorf("at first: %s", shown(records))
	}
	err := errors.Join(j.Put("a", []byte("1")), j.Put("b", nil), j.Put("a", []byte("2")), j.Put("c", []byte("3")), j.Remove("c"), j.Remove("never"))
	if _, records := journal(t, path); err != nil || shown(records) != "map[a:2 b:] lost false" { // as after a kill
		t.Errorf("%s, %v", shown(records), err)
	}
	err = errors.Join(j.Replace(map[string][]byte{"d": []byte("4")}), j.Put("e", []byte("5")))
	if _, records := journal(t, path); err != nil || shown(records) != "map[d:4 e:5] lost false" {
		t.Errorf("%s, %v", shown(records), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%v", files)
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil || j.Put("f", nil) == nil {
		t.Errorf("closed: %v", err)
	}
}

// Whatever of its end is missing or damaged, what was put before is there, and
// what is put next is not lost behind it.
func TestATornEndOfAJournalIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := journal(t, path)
	if err := j.Put("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Put("b", []byte("2")); err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, records := journal(t, path)
		if shown(records) != "map[a:1] lost true" || !errors.Is(records.Lost, disk.ErrTorn) {
			t.Fatalf("%s: %s, %v", what, shown(records), records.Lost)
		}
		if err := j.Put("c", []byte("3")); err != nil {
			t.Fatal(err)
		}
		if _, records := journal(t, path); shown(records) != "map[a:1 c:3] lost false" {
			t.Fatalf("%s, put behind: %s", what, shown(records))
		}
	}
	for end := len(first) + 1; end < len(both); end++ {
		try(fmt.Sprint("cut at ", end), both[:end])
	}
	for at := len(first); at < len(both); at++ {
		flipped := append([]byte(nil), both...)
		flipped[at] ^= 0x10
		try(fmt.Sprint("flipped at ", at), flipped)
	}
}

func TestAJournalDoesNotGrowForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := journal(t, path)
	large := make([]byte, 100_000)
	for i := range 200 {
		if err := j.Put(fmt.Sprint("record ", i%10), large); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 8<<20 {
		t.Errorf("%d bytes for 1,000,000, %v", info.Size(), err)
	}
	if _, records := journal(t, path); len(records.Whole) != 10 || records.Lost != nil {
		t.Errorf("%d records, %v", len(records.Whole), records.Lost)
	}
	var none disk.Journal
	if err := errors.Join(none.Put("a", nil), none.Remove("a"), none.Replace(nil), none.Close()); err != nil {
		t.Errorf("the zero journal: %v", err)
	}
}
