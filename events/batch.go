package events

import "fmt"

// batch decides one action after the other, each on what those before it
// leave, as one transaction. One refusal refuses all and names its item,
// counted from 1. The answer has no Object: Touched has them all.
func (d *decider) batch(b Batch) (Decision, error) {
	over := NewOverlay(d.table, d.view)
	seq := d.view.Seq() + 1
	step := *d
	step.view = over
	var all Decision
	for i, action := range b {
		one, err := step.decide(action)
		if err != nil {
			return Decision{}, fmt.Errorf("item %d of %d (%s %s): %w", i+1, len(b), verbOf(action), keyOf(action), err)
		}
		over.Push(seq, one)
		all.Verb = commonVerb(all.Verb, one.Verb)
		all.Events = append(all.Events, one.Events...)
		all.Touched = append(all.Touched, one.Touched...)
		all.Warnings = append(all.Warnings, one.Warnings...)
	}
	if err := sized(all.Events); err != nil {
		return Decision{}, err
	}
	return all, nil
}

func commonVerb(so, next string) string {
	if so == "" || so == next {
		return next
	}
	return VerbBatch
}
