package replay

import (
	"context"
	"fmt"
	"io"

	"segno/cli/archive"
	"segno/proto"
)

// Proof is the verdict on a span of which nothing but that is wanted.
type Proof struct {
	Verdict
	Taken []proto.ObjectKey // out of which values were taken
}

// Prove folds an archive and compares the state after every transaction with the
// recorded one, as Open and Verdict do, but keeps no past: nothing can be asked
// about its transactions afterwards. progress may be nil.
func Prove(ctx context.Context, r io.Reader, progress func(done int)) (Proof, error) {
	p, err := archive.Prove(ctx, r, progress)
	switch {
	case err != nil:
		return Proof{}, fmt.Errorf("replay: %w", err)
	case p.Last == p.Start:
		return Proof{}, errEmpty
	}
	out := Proof{Taken: p.Taken, Verdict: Verdict{
		From: p.Start + 1, To: p.Last, Transactions: int(p.Last - p.Start), Recorded: p.Recorded.String(),
		Compared: len(p.Taken) == 0, Differs: p.Differs,
	}}
	if out.Compared {
		out.State = p.State.String()
	}
	return out, nil
}
