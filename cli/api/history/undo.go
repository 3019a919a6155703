package history

import (
	"segno/proto"
)

// UndoRequest asks for transactions to be taken back. The answer is an undo.Plan.
type UndoRequest struct {
	Seqs []proto.Seq `json:"seqs"`
	// Force takes old values also where a field was changed again since.
	Force bool `json:"force,omitempty"`
	Consent
}

// RestoreRequest asks for a namespace, or an object, to be brought back to what it
// was. The answer is an undo.Plan.
type RestoreRequest struct {
	Object proto.Object `json:"object"`
	At     string       `json:"at"` // a moment
	// Prune deletes what was made since.
	Prune bool `json:"prune,omitempty"`
	Consent
}

// Consent says whether a plan is to be carried out.
type Consent struct {
	DryRun bool `json:"dryRun,omitempty"` // only plan
	// Digest is that of the plan which was agreed to: no other is carried out. Empty
	// agrees to whatever the plan is.
	Digest string `json:"digest,omitempty"`
}
