package archive

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"

	"segno/proto"
)

// TestE4AFileOfAnotherMachineGivesItsStates folds testdata/version-1.segno, which a
// cluster wrote when the format was new: on any machine, with any number of
// processors and under the race detector, every state is the one recorded then. The
// file is never made anew: a version that cannot read it cannot read what people have.
func TestE4AFileOfAnotherMachineGivesItsStates(t *testing.T) {
	data, err := os.ReadFile("testdata/version-1.segno")
	if err != nil {
		t.Fatal(err)
	}
	const transactions, state = 79, "404b34fffc41b5253f6e5fb932eaf3ddccabfc24da46a43ec5926cf3d00d8882"
	for _, processors := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			a, err := Open(t.Context(), bytes.NewReader(data), OpenConfig{Table: table})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			fold := a.Logs[proto.StreamEvents]
			if a.Differs != 0 {
				t.Errorf("the state after transaction %s differs from the recorded one", a.Differs)
			}
			if got := fold.Position().Seq; got != transactions || fold.StateHash().String() != state {
				t.Errorf("it ends at %s with state %s", got, fold.StateHash())
			}
			for rec, err := range fold.Records(t.Context(), transactions) {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := table.Decode(rec); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
