package bus

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"segno/proto"
)

// Bounds of what one client can have written by being refused again and again.
const (
	floodSpan    = 10 * time.Second // in which equal refusals become one record
	floodLongest = 80 * time.Second // to which that grows while they go on, and for which they are known after that
	floodPause   = time.Second      // between two looks at what has ended
	floodObjects = 32               // that one client is refused, each with records of its own
	floodVerbs   = 8                // and then verbs
	floodsMost   = 1024             // of all clients
)

// floods counts refusals that repeat. The first is recorded as it is, the others as
// one record that says how many they were.
type floods struct {
	mu      sync.Mutex
	open    map[floodKey]*flood
	clients map[floodClient]*[floodLevels]int // open ones of each
	timer   *time.Timer
	wakes   time.Time     // when the timer tells due; zero for never
	due     chan struct{} // it is time to look at what has ended
	closed  bool
}

func newFloods() *floods {
	return &floods{open: map[floodKey]*flood{}, clients: map[floodClient]*[floodLevels]int{}, due: make(chan struct{}, 1)}
}

// flood are the refusals of one key after the first.
type flood struct {
	span  time.Duration
	ends  time.Time
	idle  bool // there were none: the next is a first one again
	count int
	first proto.AuditTime
	last  *proto.AuditEvent
}

// take counts a refusal that repeats; what is not counted is to be recorded as it is.
func (f *floods) take(event *proto.AuditEvent, now time.Time) (counted bool) {
	exact, ok := floodKeyOf(event)
	if !ok {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	for level := range floodLevels {
		w := f.open[exact.at(level)]
		if w != nil && w.idle {
			*w = f.begin(now)
			return false
		}
		if w != nil {
			w.add(event)
			return true
		}
	}
	key, w := exact.at(f.level(exact.client)), f.begin(now)
	f.open[key] = &w
	f.note(key, 1)
	return false
}

func (f *floods) begin(now time.Time) flood {
	w := flood{span: floodSpan, ends: now.Add(floodSpan)}
	f.wake(now, w.ends)
	return w
}

// level is how closely a client's next key is looked at.
func (f *floods) level(client floodClient) int {
	of := f.clients[client]
	switch {
	case len(f.open) >= floodsMost:
		return floodCode
	case of == nil:
		return floodExact
	case of[floodSource] > 0 || of[floodVerb] >= floodVerbs:
		return floodSource
	case of[floodVerb] > 0 || of[floodExact] >= floodObjects:
		return floodVerb
	default:
		return floodExact
	}
}

// note counts what is open of a client.
func (f *floods) note(key floodKey, by int) {
	of := f.clients[key.client]
	if of == nil {
		of = new([floodLevels]int)
		f.clients[key.client] = of
	}
	if of[key.level] += by; *of == [floodLevels]int{} {
		delete(f.clients, key.client)
	}
}

// wake has due told at a time, unless it is told before.
func (f *floods) wake(now, at time.Time) {
	if soon := now.Add(floodPause); at.Before(soon) {
		at = soon
	}
	if !f.wakes.IsZero() && !at.Before(f.wakes) {
		return
	}
	f.wakes = at
	if f.timer != nil {
		f.timer.Stop()
	}
	f.timer = time.AfterFunc(at.Sub(now), func() {
		select {
		case f.due <- struct{}{}:
		default: // told, and not looked at yet
		}
	})
}

// ended are the records of those whose time is over. One that goes on is counted on,
// for longer.
func (f *floods) ended(now time.Time) []*proto.AuditEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes = time.Time{} // what comes is looked at again
	var out []*proto.AuditEvent
	for key, w := range f.open {
		switch {
		case now.Before(w.ends):
		case w.count > 0:
			out = append(out, w.record(key.level))
			span := min(2*w.span, floodLongest)
			*w = flood{span: span, ends: now.Add(span)}
		case w.idle:
			delete(f.open, key)
			f.note(key, -1)
			continue
		default:
			*w = flood{idle: true, ends: now.Add(floodLongest)}
		}
		f.wake(now, w.ends)
	}
	return sorted(out)
}

// close answers the records of all; from now on nothing is counted.
func (f *floods) close() []*proto.AuditEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	var out []*proto.AuditEvent
	for key, w := range f.open {
		if w.count > 0 {
			out = append(out, w.record(key.level))
		}
	}
	clear(f.open)
	clear(f.clients)
	return sorted(out)
}

func sorted(events []*proto.AuditEvent) []*proto.AuditEvent {
	slices.SortFunc(events, func(a, b *proto.AuditEvent) int {
		return cmp.Or(a.StageAt.Compare(b.StageAt.Time), cmp.Compare(a.AuditID, b.AuditID))
	})
	return events
}

func (w *flood) add(event *proto.AuditEvent) {
	if w.count == 0 {
		w.first = event.RequestReceived
	}
	w.count++
	w.last = event
}

// record is the last one with how many there were since the first, and without what
// they do not have in common.
func (w *flood) record(level int) *proto.AuditEvent {
	if w.count == 1 {
		return w.last
	}
	out := *w.last
	out.RequestReceived = w.first
	out.Annotations = maps.Clone(out.Annotations)
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	out.Annotations[proto.AuditCount] = strconv.Itoa(w.count)
	if level == floodExact {
		return &out
	}
	out.Annotations[proto.AuditVaried] = floodVaried[level]
	out.ObjectRef, out.RequestURI = nil, ""
	status := *out.ResponseStatus
	status.Message = "the last of them: " + status.Message
	out.ResponseStatus = &status
	delete(out.Annotations, proto.AuditAt)
	if level >= floodSource {
		out.Verb = ""
		delete(out.Annotations, proto.AuditQuestion)
		delete(out.Annotations, proto.AuditDryRun)
	}
	if level >= floodCode {
		out.User, out.SourceIPs, out.UserAgent = proto.AuditUser{}, nil, ""
		delete(out.Annotations, proto.AuditBus)
		delete(out.Annotations, proto.AuditVia)
	}
	return &out
}
