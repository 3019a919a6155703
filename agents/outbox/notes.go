package outbox

import (
	"slices"
	"strings"
	"time"

	"segno/proto"
)

const (
	mostNotes = 1024                   // that wait, each with its count
	mostKnown = 4096                   // notes that are remembered for their repeats
	similar   = 10                     // messages of one reason, before they are told as one
	company   = 250 * time.Millisecond // that a new note waits for, or for a status to go with
	firstPace = time.Second            // between a note and its first repeat; doubled with each
	mostPace  = 5 * time.Minute
	forgotten = 10 * time.Minute // without a repeat: it is told like a new one
)

// subject is what a note is about, and what kind it is.
type subject struct {
	uid, container, reason string
	warning                bool
}

type noteKey struct {
	subject
	message string // "" once they are told as one
}

func keyOf(n proto.NodeNote) noteKey {
	key := noteKey{subject{n.UID, n.Container, n.Reason, n.Warning}, n.Message}
	if n.Similar {
		key.message = ""
	}
	return key
}

// notebook keeps notes that are to be told. A note that happens again while it
// waits is counted, and the more often it was told the longer it waits: what
// goes wrong every second costs no more than what goes wrong now and then.
// Callers hold the outbox's lock.
type notebook struct {
	known    map[noteKey]*noted
	waiting  []noteKey       // in the order in which they happened first
	messages map[subject]int // different ones that are known
	dropped  uint64          // since it was last told
}

type noted struct {
	note  proto.NodeNote // Count is 0 while there is nothing to tell
	times int            // it was told
	due   time.Time      // not told before
}

func newNotebook() notebook {
	return notebook{known: map[noteKey]*noted{}, messages: map[subject]int{}}
}

// put takes a note; the oldest goes when there are too many.
func (b *notebook) put(n proto.NodeNote, now time.Time) {
	if len(n.Message) > proto.LongestNoteText {
		n.Message = strings.ToValidUTF8(n.Message[:proto.LongestNoteText-3], "") + "..."
	}
	key := keyOf(n)
	if b.known[key] == nil && b.tooMany(key.subject, now) {
		n.Similar, key.message = true, ""
	}
	e := b.known[key]
	if e == nil {
		b.prune(now)
		e = &noted{due: now.Add(company)}
		b.known[key] = e
		b.messages[key.subject]++
	} else if e.idle(now) {
		e.times, e.due = 0, now.Add(company)
	}
	if e.note.Count == 0 {
		b.waiting = append(b.waiting, key)
		if len(b.waiting) > mostNotes {
			b.drop()
		}
	} else {
		n.Count, n.First = n.Count+e.note.Count, e.note.First
	}
	e.note = n
}

// idle says that it has nothing to tell, and has not had for long.
func (e *noted) idle(now time.Time) bool { return e.note.Count == 0 && now.Sub(e.due) > forgotten }

// tooMany says that a subject has as many messages as may be told one by one.
func (b *notebook) tooMany(s subject, now time.Time) bool {
	if b.messages[s] < similar {
		return false
	}
	for key, e := range b.known {
		if key.subject == s && e.idle(now) {
			b.forget(key)
		}
	}
	return b.messages[s] >= similar
}

func (b *notebook) drop() {
	key := b.waiting[0]
	b.waiting = slices.Delete(b.waiting, 0, 1)
	b.dropped += uint64(b.known[key].note.Count)
	b.forget(key)
}

func (b *notebook) forget(key noteKey) {
	delete(b.known, key)
	if b.messages[key.subject]--; b.messages[key.subject] == 0 {
		delete(b.messages, key.subject)
	}
}

// prune makes room among those that have nothing to tell: first the ones that
// were not repeated for long, then any.
func (b *notebook) prune(now time.Time) {
	if len(b.known) < mostKnown {
		return
	}
	for _, any := range []bool{false, true} {
		for key, e := range b.known {
			if e.idle(now) || (any && e.note.Count == 0) {
				b.forget(key)
			}
		}
		if len(b.known) < mostKnown {
			return
		}
	}
}

// take answers the notes that are due, new ones that go with a status, and all
// of the pods that end: later nobody may speak of them.
func (b *notebook) take(with []proto.ReportItem, now time.Time) (out []proto.NodeNote, dropped uint64) {
	ending := map[string]bool{}
	for i := range with {
		if with[i].Ended {
			ending[with[i].UID] = true
		}
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(key noteKey) bool {
		e := b.known[key]
		goes := !now.Before(e.due) || ending[key.uid] || (e.times == 0 && len(with) > 0)
		if !goes || len(out) == proto.MostNodeNotes {
			return false
		}
		out = append(out, e.note)
		e.note.Count = 0
		e.due = now.Add(min(mostPace, firstPace<<min(e.times, 20)))
		e.times++
		return true
	})
	dropped, b.dropped = b.dropped, 0
	return out, dropped
}

// giveBack takes what could not be told; what happened meanwhile is counted
// with it.
func (b *notebook) giveBack(notes []proto.NodeNote, dropped uint64, now time.Time) {
	b.dropped += dropped
	newer := make([]proto.NodeNote, 0, len(b.waiting))
	for _, key := range b.waiting {
		newer = append(newer, b.known[key].note)
		b.known[key].note.Count = 0
	}
	b.waiting = nil
	for _, n := range notes {
		b.put(n, now)
		if e := b.known[keyOf(n)]; e != nil { // it was not told after all
			e.times, e.due = max(0, e.times-1), now
		}
	}
	for _, n := range newer {
		b.put(n, now)
	}
}

// next is when the next note is due; false when none waits.
func (b *notebook) next() (time.Time, bool) {
	var first time.Time
	for i, key := range b.waiting {
		if due := b.known[key].due; i == 0 || due.Before(first) {
			first = due
		}
	}
	return first, len(b.waiting) > 0
}
