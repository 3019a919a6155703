package explain

import (
	"segno/proto"
)

// steps bounds how far up a chain of causes is followed.
const steps = 1000

// up is the cause of a transaction: the one found out, before the one recorded.
// What a person did is where a chain begins: the cause of an undo is what it takes
// back, and who did that did not want the undo.
func (q *query) up(env *proto.Envelope) proto.Seq {
	if link, ok := q.answer.Links[env.Seq]; ok {
		return link.Cause
	}
	if env.Actor.Person() {
		return 0
	}
	return env.Cause.Seq
}

// root follows causes to where they begin; lost tells that the log does not go
// back that far.
func (q *query) root(env *proto.Envelope) (top *proto.Envelope, lost bool, err error) {
	for range steps {
		cause := q.up(env)
		if cause == 0 {
			return env, false, nil
		}
		above, err := q.Past.Transaction(cause)
		if err != nil {
			return nil, false, err
		}
		if above == nil {
			return env, true, nil
		}
		env = above
	}
	return env, true, nil
}

// follows tells whether the recorded causes of a transaction lead to another. A
// cause is always older than its effect, so the climb ends there.
func (q *query) follows(env *proto.Envelope, from proto.Seq) (bool, error) {
	for range steps {
		if env.Seq <= from {
			return env.Seq == from, nil
		}
		cause := q.up(env)
		if cause == 0 {
			return false, nil
		}
		above, err := q.Past.Transaction(cause)
		if err != nil || above == nil {
			return false, err
		}
		env = above
	}
	return false, nil
}

// link makes sure that an effect hangs below what led to it.
func (q *query) link(effect, cause *proto.Envelope, says string) error {
	if effect == nil || cause == nil || cause.Seq >= effect.Seq {
		return nil
	}
	known, err := q.follows(effect, cause.Seq)
	if err == nil && !known {
		q.answer.Links[effect.Seq] = Link{Cause: cause.Seq, Says: says}
	}
	return err
}

// sayRoot says where the chain of a transaction begins.
func (q *query) sayRoot(env *proto.Envelope) error {
	top, lost, err := q.root(env)
	if err != nil {
		return err
	}
	if text := begins(top, q.Key, lost); len(q.answer.Says) == 0 || q.answer.Says[len(q.answer.Says)-1] != text {
		q.say("%s", text)
	}
	return nil
}
