package logs

import (
	"context"

	"segno/cli/api"
	"segno/events/bisect"
	"segno/proto"
)

var _ api.Finder = (*Logs)(nil)

// Find implements api.Finder.
func (l *Logs) Find(ctx context.Context, s bisect.Search) (bisect.Answer, error) {
	answer, err := bisect.Find(ctx, l.lines[proto.StreamEvents], s)
	return answer, status(err)
}
