package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/bus"
	"segno/cli/api/history"
	"segno/proto"
)

// Epochs implements api.Epochs.
func (c *Cluster) Epochs(ctx context.Context) (history.Epochs, error) {
	l := c.ledgers[proto.StreamEvents]
	list, err := l.door.Epochs(ctx)
	if err != nil {
		return history.Epochs{}, err
	}
	out := history.Epochs{Epochs: make([]history.Epoch, 0, len(list))}
	for _, e := range list {
		shown := history.Epoch{Epoch: e.Number, Stream: e.Stream, First: e.First, Last: e.Last, Sealed: e.Sealed, Bytes: e.Bytes}
		if e.Last >= e.First {
			if shown.Began, err = l.timeOf(e.First); err == nil && e.Sealed {
				shown.Ended, err = l.timeOf(e.Last)
			}
		}
		if err != nil {
			return out, fmt.Errorf("look at epoch %d: %w", e.Number, err)
		}
		out.Epochs = append(out.Epochs, shown)
	}
	return out, nil
}

func (l *ledger) timeOf(seq proto.Seq) (*time.Time, error) {
	at, err := l.fold.TimeOf(seq)
	return &at, err
}

// Roll implements api.Epochs.
func (c *Cluster) Roll(ctx context.Context) error {
	err := c.ledgers[proto.StreamEvents].door.Roll(ctx)
	if errors.Is(err, bus.ErrEpochEmpty) {
		return apierrors.NewBadRequest("there is nothing to seal: the newest epoch has no transactions yet")
	}
	return err
}
