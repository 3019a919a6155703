package bus

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"segno/proto"
)

// anchorPeriod is how often the anchor is written while there are writes.
const anchorPeriod = 3 * time.Second

// anchor remembers, in a file of its own, a transaction that was acknowledged.
// It is how a shortened log is noticed when the fold was deleted with it.
type anchor struct {
	Seq     proto.Seq `json:"sequence"`
	Hash    string    `json:"hash"`
	Suspect bool      `json:"suspect,omitempty"` // a damage was found while running: compare everything
	// Refolding is set while a deleted fold is folded again: until it is whole,
	// what lies behind it in the log may have been acknowledged.
	Refolding bool `json:"refolding,omitempty"`
	// From is the first transaction that the log still has, when epochs were
	// dropped from it; 0 is all.
	From proto.Seq `json:"from,omitempty"`
	// Restored names the backup that the fold was made of, until the log is written
	// from it: until then the files may end early.
	Restored string `json:"restored,omitempty"`
	// Before is the hash of the transaction before From: what was archived ends with
	// it. Anchors of before have none.
	Before string `json:"before,omitempty"`
}

// MarkRestored writes the anchor of a log that was restored from a backup: the
// fold ends at a position, and the log's files are to be written from it.
func MarkRestored(anchorFile string, at proto.Position, from string) error {
	return anchor{Seq: at.Seq, Hash: hexHash(at.Hash), Restored: from}.write(anchorFile)
}

// restored tells that the log is to be written from the fold, which is what was
// restored, and nothing else.
func (a anchor) restored(at proto.Position) bool {
	return a.Restored != "" && a.Seq == at.Seq && a.Hash == hexHash(at.Hash)
}

// archived is the last transaction that the log does not have any more, with a
// zero hash where nothing tells it.
func (a anchor) archived() proto.Position {
	end := proto.Position{Seq: max(1, a.From) - 1}
	said := a.Before
	if said == "" && a.Seq == end.Seq {
		said = a.Hash
	}
	if hash, err := hex.DecodeString(said); err == nil && len(hash) == len(end.Hash) && end.Seq > 0 {
		copy(end.Hash[:], hash)
	}
	return end
}

func hexHash(h proto.Hash) string { return hex.EncodeToString(h[:]) }

// readAnchor answers the anchor in the file; a zero one when there is no file.
func readAnchor(path string) (anchor, error) {
	if path == "" {
		return anchor{}, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return anchor{}, nil
	}
	if err != nil {
		return anchor{}, fmt.Errorf("read the log's anchor: %w", err)
	}
	var a anchor
	if err := json.Unmarshal(data, &a); err != nil {
		return anchor{}, fmt.Errorf("the log's anchor %s is damaged (%w): remove it to start without it", path, err)
	}
	return a, nil
}

// write puts the anchor in the file, whole or not at all.
func (a anchor) write(path string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write the log's anchor: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write the log's anchor: %w", err)
	}
	defer os.Remove(file.Name()) // gone already when all went well
	_, err = file.Write(append(data, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the log's anchor: %w", err)
	}
	return nil
}

// check compares the entry with the anchor, if it is the anchored one.
func (a anchor) check(e proto.Entry) error {
	if e.Envelope.Seq != a.Seq || hexHash(e.Hash) == a.Hash {
		return nil
	}
	return &damage{seq: a.Seq, want: fmt.Sprintf("hash %.16s…, which was acknowledged", a.Hash), found: "hash " + short(e.Hash)}
}

// keepAnchor writes the anchor now and then while there are writes.
func (s *Sequencer) keepAnchor(ctx context.Context) error {
	if s.cfg.Anchor == "" {
		return nil
	}
	tick := time.NewTicker(anchorPeriod)
	defer tick.Stop()
	for written := proto.Seq(0); ; {
		select {
		case <-tick.C:
			if durable := s.Durable(); durable != written {
				if err := s.dropAnchor(); err != nil {
					return err
				}
				written = durable
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// dropAnchor writes the anchor as of now.
func (s *Sequencer) dropAnchor() error {
	if s.cfg.Anchor == "" {
		return nil
	}
	s.anchors.Lock()
	defer s.anchors.Unlock()
	at := s.cfg.Fold.Position()
	out := anchor{Seq: at.Seq, Hash: hexHash(at.Hash), Suspect: s.suspect.Load(), From: s.epochs.from()}
	if out.From > 1 {
		encoded, err := s.cfg.Fold.Encoded(out.From - 1)
		if err != nil {
			return fmt.Errorf("read transaction %s of the fold: %w", out.From-1, err)
		}
		out.Before = hexHash(proto.HashOf(encoded))
	}
	return out.write(s.cfg.Anchor)
}
