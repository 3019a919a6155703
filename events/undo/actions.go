package undo

import (
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
)

// Actions are what carries the plan out: one transaction where it fits into a
// message, else several in an order that works. Each carries the version that it
// was planned on. newUID draws what a plan, being pure, cannot.
func (p *Plan) Actions(newUID func() types.UID) []events.Batch {
	if p.Empty() {
		return nil
	}
	var all []events.Action
	for i := range p.Steps {
		all = append(all, p.Steps[i].action(newUID))
	}
	return events.Portions(nil, all)
}

func (s *Step) action(newUID func() types.UID) events.Action {
	key := s.Object.Key()
	uid := types.UID(s.UID)
	switch s.Verb {
	case events.VerbCreate:
		return events.Create{Key: key, Object: s.object, UID: newUID()}
	case events.VerbDelete:
		policy := metav1.DeletePropagationBackground
		return events.Delete{Key: key, Options: metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &s.version}, PropagationPolicy: &policy,
		}}
	default:
		object := events.Copy(s.object)
		object.SetUID(uid)
		object.SetResourceVersion(s.version)
		return events.Update{Key: key, Object: object}
	}
}

// admit asks admission whether the plan can be carried out. A batch is decided as
// a whole; what one refuses is told in its words.
func (p *planning) admit() error {
	n := 0
	uids := func() types.UID { n++; return types.UID("planned-" + strconv.Itoa(n)) }
	over := events.NewOverlay(p.Table, p.Now)
	for _, batch := range p.plan.Actions(uids) {
		decision, err := events.Decide(p.Table, over, events.Command{Actor: "user:plan", Action: batch}, p.At)
		if err != nil {
			p.plan.Refused = fmt.Sprint(err)
			return nil
		}
		over.Push(over.Seq()+1, decision)
	}
	return nil
}
