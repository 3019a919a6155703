package simulated

import (
	"slices"
	"time"

	"segno/agents/runtime"
)

// Adopt makes a pod one that this engine ran before: what it has is what the pod
// says. Its running containers end by the script that is given for each.
func (e *Engine) Adopt(was runtime.Pod, script func(c runtime.Container) (Script, bool)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &pod{namespace: was.Namespace, name: was.Name, uid: was.UID, sandbox: was.Sandbox}
	for _, c := range was.Containers {
		own := &container{Container: c, script: Script{TermCode: termCode}}
		if s, ok := script(c); ok {
			own.script = s
			own.script.TermCode = termCode
		}
		if own.script.Exits && c.State == runtime.Running {
			own.due = c.StartedAt.Add(own.script.RunFor)
		}
		p.containers = append(p.containers, own)
	}
	if p.sandbox != nil || len(p.containers) > 0 {
		e.pods[was.UID] = p
	}
}

// CatchUp ends what is due on a clock that somebody else moves on. It answers the
// pods in which a container ended, and when the next one does: zero when none.
func (e *Engine) CatchUp() (ended []string, next time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for uid, p := range e.pods {
		for _, c := range p.containers {
			switch {
			case c.State != runtime.Running || c.due.IsZero():
			case !c.due.After(now):
				c.end(c.due, c.script.ExitCode, c.script.OOM)
				ended = append(ended, uid)
			case next.IsZero() || c.due.Before(next):
				next = c.due
			}
		}
	}
	slices.Sort(ended)
	return ended, next
}
