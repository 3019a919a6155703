package history

import (
	"time"

	"segno/proto"
)

// Epoch is one stream of the log: a span of its transactions. All but the newest
// are sealed: nothing can be appended to them any more.
type Epoch struct {
	Epoch  uint32     `json:"epoch"`
	Stream string     `json:"stream"`
	First  proto.Seq  `json:"first"`
	Last   proto.Seq  `json:"last"` // first-1 while there is none
	Sealed bool       `json:"sealed"`
	Bytes  uint64     `json:"bytes"`           // of its files
	Began  *time.Time `json:"began,omitempty"` // when its first transaction was made
	Ended  *time.Time `json:"ended,omitempty"` // and its last, of a sealed one
}

// Epochs are those that the log has, oldest first.
type Epochs struct {
	Epochs []Epoch `json:"epochs"`
}
