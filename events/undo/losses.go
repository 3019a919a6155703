package undo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"segno/events"
	"segno/events/fields"
)

// losses notes what does not come back, or goes, with a step.
func (p *planning) losses(d *draft, changes []fields.Change) error {
	switch {
	case d.want == nil:
		return p.owned(d)
	case d.now != nil:
		p.turnover(d, changes)
		return nil
	}
	p.lost(d.key, "its UID: it is a new object, and its status begins anew")
	switch {
	case d.key.Resource == pods:
		p.lost(d.key, "its containers and what they wrote%s: it starts anew, on a node that is chosen then", scratch(d.want["spec"]))
	case podsOf(d) != nil:
		p.lost(d.key, "its pods and what they wrote%s: new ones are made", scratch(podsOf(d)))
	}
	return nil
}

// turnover notes what becomes of the pods of an object that changes.
func (p *planning) turnover(d *draft, changes []fields.Change) {
	renewed := slices.ContainsFunc(changes, func(c fields.Change) bool { return strings.HasPrefix(c.Path, "spec.template.") })
	if renewed && !wantsNone(d.is) {
		p.lost(d.key, "its present pods and what they wrote%s: new ones take their place", scratch(podsOf(d)))
		return
	}
	for _, change := range changes {
		switch {
		case change.Path != "spec.replicas":
		case count(change.New) > count(change.Old):
			p.lost(d.key, "the pods that it had, and what they wrote%s: new ones are made", scratch(podsOf(d)))
		default:
			p.lost(d.key, "pods beyond %d, and what they wrote%s", count(change.New), scratch(podsOf(d)))
		}
	}
}

// wantsNone tells whether an object was to have no pods, and so has none to lose.
func wantsNone(fields map[string]any) bool {
	spec, _ := fields["spec"].(map[string]any)
	return string(shown(spec["replicas"])) == "0"
}

func count(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 0
	}
	return n
}

// podsOf is the spec of the pods that an object makes; nil when it makes none.
func podsOf(d *draft) any {
	spec, _ := d.want["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	return template["spec"]
}

// scratch says that a pod has volumes that end with it.
func scratch(spec any) string {
	podSpec, _ := spec.(map[string]any)
	volumes, _ := podSpec["volumes"].([]any)
	for _, volume := range volumes {
		if v, ok := volume.(map[string]any); ok && v["emptyDir"] != nil {
			return ", to emptyDir volumes too"
		}
	}
	return ""
}

// owned notes what goes with an object that is deleted.
func (p *planning) owned(d *draft) error {
	if d.key.Resource == namespaces {
		p.lost(d.key, "everything that is in it")
		return nil
	}
	for _, kind := range p.Table.All() {
		if kind.Stream != d.kind.Stream || !kind.Namespaced {
			continue
		}
		page, err := p.Now.List(events.Query{Resource: kind.Resource, Namespace: d.key.Namespace, Owner: d.now.GetUID()})
		if err != nil {
			return fmt.Errorf("list what belongs to %s: %w", d.key, err)
		}
		if n := len(page.Items); n > 0 {
			p.lost(d.key, "%d %s that belong to it", n, kind.Resource)
		}
	}
	return nil
}
