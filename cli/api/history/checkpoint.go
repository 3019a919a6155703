package history

import (
	"time"

	"segno/proto"
)

// Checkpoints are those that the cluster has kept, oldest first, and the key
// that proves them.
type Checkpoints struct {
	Key         string       `json:"key"`
	Checkpoints []Checkpoint `json:"checkpoints"`
}

// Checkpoint is what a signed note states; Wrong tells why it states nothing.
type Checkpoint struct {
	Seq    proto.Seq `json:"seq,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	Hash   string    `json:"hash,omitempty"`      // of the chain
	State  string    `json:"stateHash,omitempty"` // of all objects after it
	Stream string    `json:"stream,omitempty"`
	// Audit is the newest message of the record of requests by then, and its hash.
	Audit     proto.Seq `json:"audit,omitempty"`
	AuditHash string    `json:"auditHash,omitempty"`
	Note      string    `json:"note"`
	Wrong     string    `json:"wrong,omitempty"`
}
