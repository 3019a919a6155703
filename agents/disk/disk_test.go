package disk_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"segno/agents/disk"
)

// TestMain also plays a program that writes until it is killed: it prints a
// number once the record of that number is written.
func TestMain(m *testing.M) {
	dir := os.Getenv("SEGNO_TEST_WRITE")
	if dir == "" {
		os.Exit(m.Run())
	}
	folder, err := disk.Open(dir)
	for n := 1; err == nil; n++ {
		err = folder.Put(strconv.Itoa(n%10), fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", 10000)))
		fmt.Println(n)
	}
	fmt.Println(err)
}

func open(t *testing.T, dir string) disk.Folder {
	t.Helper()
	f, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatWasWrittenSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "SEGNO_TEST_WRITE="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		newest := 0
		for in := bufio.NewScanner(out); in.Scan(); {
			if newest, err = strconv.Atoi(in.Text()); err != nil {
				t.Fatal(in.Text())
			}
			if newest == 30 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		records, err := open(t, dir).All()
		if err = errors.Join(err, records.Lost); err != nil {
			t.Fatal(err)
		}
		all := records.Whole
		// The kill may fall after a record was written and before its number was printed.
		for n := newest - 9; n <= newest; n++ {
			number, _, _ := strings.Cut(string(all[strconv.Itoa(n%10)]), " ")
			if got, _ := strconv.Atoi(number); got != n && got != n+10 {
				t.Errorf("record %d holds %q after %d was written", n%10, number, newest)
			}
		}
		if files, _ := os.ReadDir(dir); len(files) != 10 {
			t.Errorf("%d files", len(files))
		}
	}
}

func TestATornRecordIsReportedAndLeftOut(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for _, name := range []string{"a", "b", "c"} {
		if err := f.Put(name, []byte("content of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "b"), 9); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c"), nil, 0o600); err != nil { // as some file systems leave it
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d.new"), []byte("never finished"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := f.All()
	if err != nil || !errors.Is(all.Lost, disk.ErrTorn) || len(all.Whole) != 1 || string(all.Whole["a"]) != "content of a" {
		t.Errorf("%q, %v", all, err)
	}
	if all, err = f.All(); err != nil || all.Lost != nil || len(all.Whole) != 1 {
		t.Errorf("a second time: %q, %v", all, err)
	}
}

// TestAFolderThatCannotBeReadIsNotAnEmptyOne.
func TestAFolderThatCannotBeReadIsNotAnEmptyOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	f := open(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if all, err := f.All(); err == nil || errors.Is(err, disk.ErrTorn) || all.Whole != nil {
		t.Errorf("%q, %v", all, err)
	}
}

func TestNamesStayInTheFolder(t *testing.T) {
	f := open(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "a/b", "../a", "a.new"} {
		if err := f.Put(name, nil); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if err := f.Remove("never"); err != nil {
		t.Error(err)
	}
}

func TestTheZeroFolderKeepsNothing(t *testing.T) {
	var f disk.Folder
	if err := errors.Join(f.Put("a", []byte("x")), f.Remove("a")); err != nil {
		t.Error(err)
	}
	if all, err := f.All(); err != nil || all.Lost != nil || len(all.Whole) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestOneAgentAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "the", "lock")
	unlock, err := disk.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Lock(dir); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	again, err := disk.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
