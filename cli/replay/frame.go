package replay

import (
	"context"
	"errors"
	"fmt"

	"segno/cli/api/history"
	"segno/projections"
	"segno/proto"
)

// Frame is one transaction of a span: what it was, what it changed, and what
// stands around it.
type Frame struct {
	history.Transaction
	Objects []history.ObjectState `json:"objects"`
	// Causes are what led to it, the nearest first. Lost tells that they go back to
	// before the span.
	Causes []history.Transaction `json:"causes,omitempty"`
	Lost   bool                  `json:"lost,omitempty"`
	// Effects are what followed from it directly, More how many there are besides.
	Effects []history.Transaction `json:"effects,omitempty"`
	More    int                   `json:"more,omitempty"`
	State   State                 `json:"state"`
}

// State is a state hash: as the fold gives it, and as it was recorded.
type State struct {
	Folded   string `json:"folded,omitempty"` // absent when values were taken out
	Recorded string `json:"recorded"`
}

// Equal tells whether the two are the same; what was not folded whole is not.
func (s State) Equal() bool { return s.Folded == s.Recorded }

// maxAround bounds the causes and the effects of a frame.
const maxAround = 20

// Frame shows a transaction of the span.
func (s *Span) Frame(ctx context.Context, seq proto.Seq) (Frame, error) {
	if seq < s.First() || seq > s.Last() {
		return Frame{}, fmt.Errorf("transaction %s: the span has %s to %s", seq, s.First(), s.Last())
	}
	env, err := s.fold.Envelope(seq)
	if err != nil {
		return Frame{}, err
	}
	out := Frame{Transaction: history.Of(proto.StreamEvents, env, nil), Objects: []history.ObjectState{}}
	if out.State, err = s.state(seq); err != nil {
		return out, err
	}
	all := func(*proto.Envelope, *proto.Event) bool { return true }
	for step, err := range s.fold.Changes(ctx, seq, seq, all) {
		if err != nil {
			return out, err
		}
		version := history.Version{Record: step.Record, Envelope: step.Envelope}
		state, err := history.StateOf(s.table, proto.StreamEvents, history.Step{Version: version, Before: step.Before})
		if err != nil {
			return out, err
		}
		out.Objects = append(out.Objects, state)
	}
	if err := s.causes(&out, env); err != nil {
		return out, err
	}
	return out, s.effects(&out)
}

func (s *Span) state(seq proto.Seq) (State, error) {
	out := State{Recorded: s.recorded[seq-s.First()].String()}
	if s.Redacted() {
		return out, nil
	}
	folded, err := s.fold.StateHashAt(seq)
	out.Folded = folded.String()
	return out, err
}

func (s *Span) causes(out *Frame, env *proto.Envelope) error {
	for env.Cause.Seq > 0 && len(out.Causes) < maxAround {
		cause, err := s.fold.Envelope(env.Cause.Seq)
		if errors.Is(err, projections.ErrTooOld) {
			out.Lost = true
			return nil
		}
		if err != nil {
			return err
		}
		out.Causes = append(out.Causes, history.Of(proto.StreamEvents, cause, nil))
		env = cause
	}
	return nil
}

func (s *Span) effects(out *Frame) error {
	effects, err := s.fold.Effects(out.Seq)
	if err != nil {
		return err
	}
	for i, seq := range effects {
		if i == maxAround {
			out.More = len(effects) - maxAround
			return nil
		}
		env, err := s.fold.Envelope(seq)
		if err != nil {
			return err
		}
		out.Effects = append(out.Effects, history.Of(proto.StreamEvents, env, nil))
	}
	return nil
}
