package reconcilers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// notesPerTransaction bounds how many notes are written at once.
const notesPerTransaction = 500

// carryOut submits a decision's commands and tells its notes.
func (l *Loop) carryOut(ctx context.Context, key Key, t trigger, d Decision) *submission {
	s := &submission{to: l.cfg.Submit, table: l.cfg.Table, sideBySide: l.cfg.SideBySide}
	commands := make([]Command, 0, len(d.Commands))
	for _, cmd := range d.Commands {
		commands = append(commands, l.signed(cmd, t))
	}
	s.run(ctx, commands, d.Unordered)
	l.committed = max(l.committed, s.newest)
	for _, cmd := range s.unsure {
		l.unsure[l.door(cmd.Action)] = cmd
	}

	var notes []Note
	for _, n := range d.Notes {
		if (n.Needs == proto.ObjectKey{} && s.worst == accepted) || (n.Needs != proto.ObjectKey{} && !s.without[n.Needs]) {
			if n.From == "" {
				n.From = l.cfg.Reconciler.Name() + "-controller"
			}
			notes = append(notes, n)
		}
	}
	l.tell(ctx, key, t, notes)
	return s
}

// door is the log that an action's objects are of.
func (l *Loop) door(action events.Action) string {
	for _, key := range Targets(action) {
		if kind := l.cfg.Table.Of(key.Resource); kind != nil {
			return kind.Stream
		}
	}
	return proto.StreamEvents
}

// ascertain asks for what became of commands that got no answer. A door takes
// one command after the other and answers once all before it are durable: any
// answer to a later one says that the earlier is in the view by now, or nowhere.
func (l *Loop) ascertain(ctx context.Context) error {
	for door, cmd := range l.unsure {
		cmd.DryRun = true
		if _, err := l.cfg.Submit.Submit(ctx, cmd); unanswered(err) {
			return fmt.Errorf("ask what became of a command: %w", err)
		}
		delete(l.unsure, door)
	}
	return nil
}

// signed fills in who sends a command and why, where the reconciler has not.
func (l *Loop) signed(cmd Command, t trigger) Command {
	name := l.cfg.Reconciler.Name()
	cmd.Actor = proto.SystemActor(name)
	cmd.Via = name
	cmd.Manager = name
	if (cmd.Cause == proto.Cause{}) {
		cmd.Cause.Seq = t.seq
	}
	if cmd.Correlation == "" && cmd.Cause.Seq == t.seq {
		cmd.Correlation = t.correlation
	}
	return cmd
}

// tell writes notes. They are for people and nothing depends on them: one that
// cannot be written is logged and dropped.
func (l *Loop) tell(ctx context.Context, key Key, t trigger, notes []Note) {
	for len(notes) > 0 {
		part := notes[:min(len(notes), notesPerTransaction)]
		notes = notes[len(part):]
		if err := l.tellSome(ctx, t, part); err != nil && ctx.Err() == nil {
			l.cfg.Log.Warn("notes dropped", "key", key, "notes", len(part), "first", part[0].Message, "err", err)
		}
	}
}

func (l *Loop) tellSome(ctx context.Context, t trigger, notes []Note) error {
	var err error
	for range maxStale {
		actions, readErr := Tell(l.cfg.Views.View(), notes, l.cfg.Now())
		if readErr != nil {
			return readErr
		}
		if len(actions) == 0 {
			return nil
		}
		var d Decision
		d.Do("", actions...)
		s := &submission{to: l.cfg.Notes, table: l.cfg.Table}
		s.send(ctx, l.signed(d.Commands[0], t))
		if s.worst != stale {
			return s.err
		}
		err = s.err
		notes = remaining(notes, s.without)
	}
	return err
}

// remaining answers the notes that were not accepted.
func remaining(notes []Note, without map[proto.ObjectKey]bool) []Note {
	var left []Note
	for _, n := range notes {
		if without[n.key()] {
			left = append(left, n)
		}
	}
	return left
}

// explain says what was refused: the reconciler's own way, or in Warning notes
// about the object. It answers what became of that, and when to look again.
func (l *Loop) explain(ctx context.Context, key Key, t trigger, refusals []Refusal) (done *submission, after time.Duration) {
	for _, r := range refusals {
		l.cfg.Log.Warn("command refused", "key", key, "err", r.Err)
	}
	decision, err := l.refused(key, refusals)
	if err != nil {
		return &submission{worst: failed, err: fmt.Errorf("explain a refusal: %w", err)}, 0
	}
	done = l.carryOut(ctx, key, t, decision)
	for _, r := range done.refusals {
		l.cfg.Log.Warn("refusal not explained", "key", key, "err", r.Err)
	}
	return done, decision.After
}

// refused decides what to say about refusals.
func (l *Loop) refused(key Key, refusals []Refusal) (d Decision, err error) {
	defer recovered(&err)
	view := l.cfg.Views.View()
	if refuser, ok := l.cfg.Reconciler.(Refuser); ok {
		return refuser.Refused(view, key, refusals, l.cfg.Now())
	}
	obj, err := view.Get(key)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", key, err)
	}
	kind := l.cfg.Table.Of(key.Resource)
	if obj == nil || kind == nil {
		return d, nil
	}
	d.Notes = RefusedNotes(About(kind.GVK, obj), refusals)
	return d, nil
}

// RefusedNotes tells about an object what was refused.
func RefusedNotes(about corev1.ObjectReference, refusals []Refusal) (notes []Note) {
	for _, r := range refusals {
		notes = append(notes, Note{
			About: about, Warning: true, Reason: "Refused",
			Message: fmt.Sprintf("Not done, and not tried again until the object changes: %v", r.Err),
		})
	}
	return notes
}
