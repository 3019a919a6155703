package events

import "segno/proto"

// elect marks a new leader in the log: about no object, so that nothing folds.
func (d *decider) elect(e Elect) (Decision, error) {
	mark := head{fact: LeaderElected, reason: d.reason("Elected"), key: proto.ObjectKey{Name: e.ID}}
	return Decision{Verb: VerbElect, Events: wire(mark.marked())}, nil
}
