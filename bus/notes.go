package bus

import (
	"context"
	"time"

	"segno/events/report"
	"segno/proto"
)

// notesPatience bounds how long a node's notes may hold up its next ones.
const notesPatience = 15 * time.Second

// notes answers those of a report's notes that the node may write.
func (in *Intake) notes(node proto.NodeName, said *proto.Report, now time.Time) []report.Note {
	if in.cfg.Notes == nil {
		return nil
	}
	notes, refused := report.Notes(in.cfg.Cluster.View(), node, said, now)
	if refused != nil {
		in.log.Warn("notes of a node are not written, the last one because", "node", node, "error", refused)
	}
	return notes
}

// tellNotes has notes written, in the order of the node's reports. They are
// for people and nothing waits for them.
func (in *Intake) tellNotes(ctx context.Context, node proto.NodeName, notes []report.Note) {
	if len(notes) == 0 {
		return
	}
	bytes := 0
	for i := range notes {
		bytes += len(notes[i].Message)
	}
	taken := in.telling.put(node, bytes, func() {
		if ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notesPatience) // what was begun is finished
		defer cancel()
		if err := in.cfg.Notes(ctx, node, notes); err != nil {
			in.log.Warn("notes of a node are lost", "node", node, "notes", len(notes), "error", err)
		}
	})
	if !taken {
		in.log.Warn("notes of a node are lost: too many wait", "node", node, "notes", len(notes))
	}
}
