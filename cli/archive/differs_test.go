package archive

import (
	"bytes"
	"testing"

	"segno/proto"
)

// TestE9AStateThatDiffersIsNamed changes one recorded state hash in the middle:
// what the log came to in the end is the same.
func TestE9AStateThatDiffersIsNamed(t *testing.T) {
	data := written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, history(t, 8, 40), 5, 40}}})
	in, err := newFramed(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	var out bytes.Buffer
	f, err := newFrames(&out, mark)
	if err != nil {
		t.Fatal(err)
	}
	for seq := proto.Seq(5); ; {
		what, body, err := in.read()
		if err != nil {
			t.Fatal(err)
		}
		if what == frameEnd {
			break
		}
		if what == frameTransaction {
			if seq == 17 {
				body[0] ^= 1 // of the state hash
			}
			seq++
		}
		if err := f.write(what, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if a := mustRead(t, out.Bytes()); a.Differs != 17 {
		t.Errorf("the state after %s is said to differ, not that after 17", a.Differs)
	}
}
