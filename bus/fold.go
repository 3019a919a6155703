package bus

import (
	"segno/events"
	"segno/proto"
)

// Fold keeps what the log says: a projection. Bus never looks inside.
type Fold interface {
	// Position is the newest folded transaction.
	Position() proto.Position
	// View is the newest folded state; cheap.
	View() events.View
	// Commit folds the entries and keeps the encoded events and the position,
	// in one synced batch, and then releases the changes to followers. The bytes
	// of the entries are the fold's from then on. Before anything is written it
	// asks logged, which answers once the log has them all, or an error that
	// abandons the batch; nil when the log has them.
	Commit(entries []proto.Entry, logged func() error) error
	// Encoded is the bytes of one folded transaction, for repair and comparing.
	Encoded(seq proto.Seq) ([]byte, error)
}
