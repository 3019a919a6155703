package archive

import (
	"testing"

	"segno/proto"
)

// TestE9AStateThatDiffersIsNamed changes one recorded state hash in the middle:
// what the log came to in the end is the same.
func TestE9AStateThatDiffersIsNamed(t *testing.T) {
	data := written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, history(t, 8, 40), 5, 40}}})
	seq := proto.Seq(5)
	data = rewritten(t, data, func(f *frames, what byte, body []byte) error {
		if what == frameTransaction {
			if seq == 17 {
				body[0] ^= 1 // of the state hash
			}
			seq++
		}
		return f.write(what, body)
	})
	if a := mustRead(t, data); a.Differs != 17 {
		t.Errorf("the state after %s is said to differ, not that after 17", a.Differs)
	}
}
