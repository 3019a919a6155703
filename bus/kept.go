package bus

import "segno/proto"

// Kept is how much of a log its files must have.
type Kept struct {
	// First is the first transaction that is still in the log: what was before it
	// was archived.
	First proto.Seq
	// Archived is the transaction before it; its hash is zero where nothing tells it.
	Archived proto.Position
	// Last is a transaction that was acknowledged; 0 when nothing tells.
	Last proto.Seq
	// Refolding tells that a deleted fold is being folded again, and is not whole.
	Refolding bool
}

// ReadKept reads it from the anchor of a log.
func ReadKept(anchorFile string) (Kept, error) {
	a, err := readAnchor(anchorFile)
	return Kept{First: max(1, a.From), Archived: a.archived(), Last: a.Seq, Refolding: a.Refolding}, err
}
