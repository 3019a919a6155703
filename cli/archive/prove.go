package archive

import (
	"context"
	"io"

	"segno/projections"
	"segno/proto"
)

// Proof is what folding a file without its past tells of the log EVENTS in it.
type Proof struct {
	Header   Header
	Start    proto.Seq // the log begins behind it
	Last     proto.Seq
	State    proto.Hash // of the fold, after Last
	Recorded proto.Hash // the same, as it was recorded
	// Differs is the first transaction after which the fold has another state hash
	// than was recorded, as in Archive.
	Differs proto.Seq
	Taken   []proto.ObjectKey // as in Archive
}

// Prove folds a file as Open does, every check included, and compares the state
// after every transaction; but it keeps nothing, so that it takes a fraction of the
// time and of the memory. progress is told how many transactions were folded, and may be nil.
func Prove(ctx context.Context, r io.Reader, progress func(done int)) (Proof, error) {
	in, err := NewReader(r)
	if err != nil {
		return Proof{}, err
	}
	defer in.Close()
	a := newArchive(in)
	out := Proof{Header: a.Header}
	recorded := func(stream string, _ proto.Seq, state proto.Hash) {
		if stream == proto.StreamEvents {
			out.Recorded = state
		}
	}
	err = a.each(in, func(log Log) error {
		f := &folding{archive: a, stream: log.Stream, recorded: recorded, progress: progress}
		fold := projections.NewCurrent(projections.CurrentConfig{
			Retained: log.Stream != proto.StreamEvents, Redacted: a.Header.Redacted, Folded: f.folded,
		})
		err := f.run(ctx, in, log, fold)
		if log.Stream == proto.StreamEvents {
			out.Start, out.Last, out.State = log.Seq, max(fold.Position().Seq, log.Seq), fold.StateHash()
		}
		return err
	})
	out.Differs, out.Taken = a.Differs, a.Taken
	return out, err
}
