package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"segno/proto"
)

// Contents is what lies in a file.
type Contents struct {
	Header Header
	Files  []File
	Logs   []Held
	Audit  AuditHeld
}

// Held is what a file has of one log: where it begins, and what it came to.
type Held struct {
	Log Log
	Sum Sum
}

// Check reads a file to its end without folding it: that it is whole, that its
// transactions are linked, and that each is what its hash says.
func Check(ctx context.Context, r io.Reader) (Contents, error) {
	in, err := NewReader(r)
	if err != nil {
		return Contents{}, err
	}
	defer in.Close()
	out := Contents{Header: in.Header(), Files: in.Files()}
	for {
		log, err := in.Next()
		if errors.Is(err, io.EOF) {
			out.Audit = in.Audit()
			return out, nil
		}
		if err == nil {
			err = checkLog(ctx, in, log)
		}
		if err != nil {
			return out, err
		}
		out.Logs = append(out.Logs, Held{Log: log, Sum: *in.Sum()})
	}
}

func checkLog(ctx context.Context, in *Reader, log Log) error {
	begin, err := log.Start()
	if err != nil {
		return err
	}
	objects, transactions, prev, state := 0, 0, begin.Hash, log.State
	for _, err := range in.Records() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		objects++
	}
	for entry, err := range in.Entries() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		switch {
		case entry.Envelope.Prev != prev:
			return fmt.Errorf("%w: transaction %s does not follow the one before it", ErrDamaged, entry.Envelope.Seq)
		case !in.Header().Redacted && proto.HashOf(entry.Encoded) != entry.Hash:
			return fmt.Errorf("%w: transaction %s is not what its hash says", ErrDamaged, entry.Envelope.Seq)
		}
		transactions, prev, state = transactions+1, entry.Hash, entry.State.String()
	}
	if said := in.Header().Hash; said != "" && log.Stream == proto.StreamEvents && said != prev.String() {
		return fmt.Errorf("%w: it ends with hash %s, its header says %s", ErrDamaged, prev, said)
	}
	if want := (Sum{Objects: objects, Transactions: transactions, Hash: prev.String(), State: state}); *in.Sum() != want {
		return fmt.Errorf("%w: %s came to %+v, recorded was %+v", ErrDamaged, log.Stream, want, *in.Sum())
	}
	return nil
}
