package undo

import (
	"cmp"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/proto"
)

// refuse is a mistake of whoever asks.
func refuse(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}

// undoable answers a transaction that can be taken back, or says why it cannot
// and what to do instead.
func (p *planning) undoable(seq proto.Seq) (*proto.Envelope, error) {
	switch last := p.Now.Seq(); {
	case seq == 0:
		return nil, refuse("sequence 0: sequences start at 1")
	case seq > last:
		return nil, refuse("sequence %s has not happened yet: the log ends at %s", seq, last)
	}
	env, err := p.Past.Envelope(seq)
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", seq, err)
	}
	if env == nil {
		return nil, refuse("sequence %s is no longer kept", seq)
	}
	return env, p.refusal(env)
}

// refusal says why a transaction cannot be taken back; nil when it can.
func (p *planning) refusal(env *proto.Envelope) error {
	no := func(format string, args ...any) error {
		return refuse("sequence %s cannot be undone: %s", env.Seq, fmt.Sprintf(format, args...))
	}
	switch {
	case env.Verb == events.VerbElect:
		return no("it is the election of a leader, which changed no object")
	case env.Verb == events.VerbBind && env.Actor.Person():
		return no("a pod that was put on a node stays there; to have it elsewhere, delete it, and cordon the node before")
	case env.Actor.Person() && !anyWanted(env):
		return no("it reports a status, which says what is, and not what anybody wants; it is reported anew")
	case env.Actor.Person():
		return p.readable(env)
	case env.Actor.Node():
		return no("%s reported what happened on it; what led to that is told by: segno why %s", env.Actor, subject(env))
	}
	return p.system(env, no)
}

// system names the person's transaction that made the control plane do it.
func (p *planning) system(env *proto.Envelope, no func(string, ...any) error) error {
	root, err := p.person(env)
	switch {
	case err != nil:
		return err
	case root == nil:
		return no("%s did it by itself, and would do it again; no person's change led to it", env.Actor)
	default:
		return no("%s did it because of %s (%s: %s), and would do it again; undo that: segno undo %s",
			env.Actor, root.Seq, root.Actor, cmp.Or(root.Via, root.Verb), root.Seq)
	}
}

// person is the newest transaction by a person among a transaction and its
// causes; nil when there is none, or it is no longer kept.
func (p *planning) person(env *proto.Envelope) (*proto.Envelope, error) {
	for env != nil && !env.Actor.Person() {
		if env.Cause.Seq == 0 {
			return nil, nil
		}
		cause, err := p.Past.Envelope(env.Cause.Seq)
		if err != nil {
			return nil, fmt.Errorf("read the cause of %s: %w", env.Seq, err)
		}
		env = cause
	}
	return env, nil
}

// readable makes sure that what a transaction took away can still be read.
func (p *planning) readable(env *proto.Envelope) error {
	for i := range env.Events {
		if ev := &env.Events[i]; ev.Encoding == proto.EncodingSealed {
			return refuse("sequence %s cannot be undone: %s is sealed in the log, and its key is gone", env.Seq, ev.Key)
		}
	}
	return nil
}

func anyWanted(env *proto.Envelope) bool {
	for i := range env.Events {
		if wants(&env.Events[i]) {
			return true
		}
	}
	return false
}

// subject names what a transaction is about, as segno's commands take it.
func subject(env *proto.Envelope) string {
	if len(env.Events) == 0 {
		return "OBJECT"
	}
	return spoken(env.Events[0].Key)
}

// spoken names an object as segno's commands take it.
func spoken(key proto.ObjectKey) string {
	out := key.Resource.Name + "/" + key.Name
	if key.Namespace != "" {
		out += " -n " + key.Namespace
	}
	return out
}
