package reconcilers

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"segno/events"
	"segno/proto"
)

const (
	// maxRejected is after how many refused or stale actions the rest of a Batch
	// is not tried one by one any more: it will fare no better.
	maxRejected = 8
	// defaultSideBySide is how many commands of an unordered decision are under
	// way at once, so that they share group commits.
	defaultSideBySide = 32
)

// submission carries out the commands of one decision and remembers what
// became of them.
type submission struct {
	to         Submitter
	table      *events.Table
	sideBySide int

	mu       sync.Mutex
	newest   proto.Seq // of the transactions in the EVENTS log
	worst    answer
	err      error // of worst
	refusals []Refusal
	rejected int                      // commands that were refused or stale
	without  map[proto.ObjectKey]bool // objects whose command was not accepted
	unsure   []events.Command         // nobody said what became of them
}

// run submits the commands, in order or side by side.
func (s *submission) run(ctx context.Context, commands []Command, unordered bool) {
	if unordered && len(commands) > 1 {
		var group errgroup.Group
		group.SetLimit(s.sideBySide)
		for _, cmd := range commands {
			group.Go(func() error {
				s.send(ctx, cmd)
				return nil // what became of it is kept in s
			})
		}
		_ = group.Wait() // no function of the group fails
		return
	}
	for i, cmd := range commands {
		s.send(ctx, cmd)
		if s.worst != accepted {
			for _, left := range commands[i+1:] {
				s.leave(left.Action)
			}
			return
		}
	}
}

// send submits one command. A Batch that is not accepted is sent again in
// halves, so that one bad action does not hold up the good ones; not one that is
// Whole.
func (s *submission) send(ctx context.Context, cmd Command) {
	outcome, err := s.to.Submit(ctx, cmd.Command)
	class := classify(err)
	batch, isBatch := cmd.Action.(events.Batch)
	if class == accepted {
		s.accept(cmd.Action, outcome)
		return
	}
	if isBatch && len(batch) > 1 && !cmd.Whole && class != failed && s.mayGoOn() {
		for _, half := range []events.Batch{batch[:len(batch)/2], batch[len(batch)/2:]} {
			part := cmd
			part.Action = half
			if len(half) == 1 {
				part.Action = half[0]
			}
			s.send(ctx, part)
		}
		return
	}
	s.reject(cmd.Command, class, err)
}

// mayGoOn tells whether a Batch that was not accepted is worth taking apart.
func (s *submission) mayGoOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rejected < maxRejected && s.worst != failed
}

func (s *submission) accept(action events.Action, outcome events.Outcome) {
	keys := Targets(action)
	if len(keys) == 0 {
		return
	}
	kind := s.table.Of(keys[0].Resource)
	if kind == nil || kind.Stream != proto.StreamEvents {
		return // another log has other sequences
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, outcome.Seq)
}

func (s *submission) reject(cmd events.Command, class answer, err error) {
	s.leave(cmd.Action)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected++
	if class > s.worst {
		s.worst, s.err = class, err
	}
	if unanswered(err) {
		s.unsure = append(s.unsure, cmd)
	}
	if class == refused {
		s.refusals = append(s.refusals, Refusal{Command: cmd, Err: err})
	}
}

// leave remembers that the action's objects stay as they are.
func (s *submission) leave(action events.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.without == nil {
		s.without = map[proto.ObjectKey]bool{}
	}
	for _, key := range Targets(action) {
		s.without[key] = true
	}
}

// Targets lists the objects that an action is about.
func Targets(action events.Action) []proto.ObjectKey {
	switch a := action.(type) {
	case events.Create:
		return []proto.ObjectKey{a.Key}
	case events.Update:
		return []proto.ObjectKey{a.Key}
	case events.Patch:
		return []proto.ObjectKey{a.Key}
	case events.Delete:
		return []proto.ObjectKey{a.Key}
	case events.Bind:
		return []proto.ObjectKey{a.Key}
	case events.Batch:
		var keys []proto.ObjectKey
		for _, part := range a {
			keys = append(keys, Targets(part)...)
		}
		return keys
	default: // Elect is about the log, not about an object
		return nil
	}
}
