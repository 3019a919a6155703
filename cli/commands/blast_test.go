package commands

import (
	"strings"
	"testing"

	"segno/cli/api/history"
)

// TestE8BlastCountsInWords that agree with the number.
func TestE8BlastCountsInWords(t *testing.T) {
	for transactions, want := range map[int]string{
		1: "From 7 followed 1 transaction with 1 event, in 1 step,",
		2: "From 7 followed 2 transactions with 2 events, in 2 steps,",
	} {
		var out strings.Builder
		blast := history.Blast{Seq: 7, Transactions: transactions, Events: transactions, Depth: transactions, Newest: 9, Took: "1s", Tree: &history.Node{}}
		if err := writeBlast(&out, blast); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%q %v", out.String(), err)
		}
	}
}
