package world

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"segno/reconcilers"
)

var update = flag.Bool("update", false, "write what the scripts print into testdata")

// outFile is the part of an archive that holds what the script printed.
const outFile = "out"

// Run plays every script of testdata whose name matches the pattern. A script is
// a txtar archive: its comment holds the lines, its files the YAML that they
// name, and the file "out" what it must print. After every line the loops catch
// up; then fresh loops look at everything again and must find nothing to do.
func Run(t *testing.T, pattern string, make func() []reconcilers.Reconciler) {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts match testdata/%s: %v", pattern, err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, archive, make) })
			compare(t, path, archive, got)
		})
	}
}

func compare(t *testing.T, path string, archive *txtar.Archive, got string) {
	t.Helper()
	want := ""
	for i := range archive.Files {
		if archive.Files[i].Name == outFile {
			want = string(archive.Files[i].Data)
			archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
			break
		}
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s prints something else (go test -update accepts it):\n%s", path, lineDiff(want, got))
		return
	}
	archive.Files = append(archive.Files, txtar.File{Name: outFile, Data: []byte(got)})
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lineDiff shows from the first line that differs.
func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	same := 0
	for same < len(w) && same < len(g) && w[same] == g[same] {
		same++
	}
	show := func(lines []string) string { return strings.Join(lines[same:min(len(lines), same+12)], "\n") }
	return fmt.Sprintf("line %d, want:\n%s\n--- got:\n%s", same+1, show(w), show(g))
}

// player runs one script.
type player struct {
	t     *testing.T
	w     *World
	p     *printer
	files map[string][]byte
	make  func() []reconcilers.Reconciler
	loops []*reconcilers.Loop
	quiet bool // nothing may change
}

func play(t *testing.T, archive *txtar.Archive, make func() []reconcilers.Reconciler) string {
	pl := &player{t: t, w: New(), p: newPrinter(time.Now()), files: map[string][]byte{}, make: make}
	for _, f := range archive.Files {
		pl.files[f.Name] = f.Data
	}
	pl.w.Committed = func(tx Transaction) {
		if pl.quiet {
			pl.p.printf("NOT A FIXED POINT:")
			t.Errorf("a second look at everything changes something: %s by %s", tx.Cmd.Reason, tx.Cmd.Actor)
		}
		pl.p.transaction(tx)
	}
	pl.use(pl.freshLoops())
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pl.p.printf("> %s", line)
		words := strings.Fields(pl.p.long(line))
		pl.line(words)
		pl.settle()
		if !unsettled[words[0]] {
			pl.fixedPoint()
		}
	}
	return pl.p.out.String()
}

// unsettled are the lines after which fresh loops may find something to do: what
// was refused before waits for a change, and leases are listened to in a while.
var unsettled = map[string]bool{"forbid": true, "beat": true}

// freshLoops makes loops that have seen nothing.
func (pl *player) freshLoops() []*reconcilers.Loop {
	var loops []*reconcilers.Loop
	for _, r := range pl.make() {
		loop, err := reconcilers.New(reconcilers.Config{
			Reconciler: checked(pl.t, r), Table: pl.w.Table, Views: pl.w, Submit: pl.w, SideBySide: 1,
		})
		if err != nil {
			pl.t.Fatal(err)
		}
		loops = append(loops, loop)
	}
	return loops
}

// use lets these loops, and no others, see what happens.
func (pl *player) use(loops []*reconcilers.Loop) {
	pl.loops = loops
	pl.w.Forget()
	for _, loop := range loops {
		pl.w.Observe(loop.Observe)
	}
}

// aMoment is how long a loop may put a key off and still count as busy.
const aMoment = 100 * time.Millisecond

// settle lets the loops catch up, one after the other, until none has anything
// to do, now or in a moment.
func (pl *player) settle() {
	for range 1000 {
		for _, loop := range pl.loops {
			if err := loop.CatchUp(context.Background()); err != nil {
				pl.t.Fatal(err)
			}
		}
		wait, busy := pl.next()
		if !busy || wait > aMoment {
			return
		}
		time.Sleep(wait) // virtual
	}
	pl.t.Fatal("the loops do not settle")
}

// next is the time until a key of any loop falls due.
func (pl *player) next() (wait time.Duration, ok bool) {
	for _, loop := range pl.loops {
		if in, has := loop.Next(); has && (!ok || in < wait) {
			wait, ok = in, true
		}
	}
	return wait, ok
}

// fixedPoint has fresh loops look at everything: nothing may change, unless
// something is forbidden, which they would try again.
func (pl *player) fixedPoint() {
	if pl.w.Refuse != nil {
		return
	}
	loops := pl.loops
	pl.use(pl.freshLoops())
	pl.quiet = true
	pl.settle()
	pl.quiet = false
	pl.use(loops)
}

// advance lets time pass, and the loops do what falls due meanwhile.
func (pl *player) advance(d time.Duration) {
	end := time.Now().Add(d)
	for {
		wait, ok := pl.next()
		left := time.Until(end)
		if !ok || wait > left {
			time.Sleep(left) // virtual
			return
		}
		time.Sleep(wait)
		pl.settle()
	}
}
