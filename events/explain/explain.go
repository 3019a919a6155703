package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// Question is what is asked about an object.
type Question string

// The questions.
const (
	Deleted   Question = "deleted"
	Pending   Question = "pending"
	Restarted Question = "restarted"
	NotReady  Question = "not-ready"
)

// Questions lists them, for people.
var Questions = []string{string(Deleted), string(Pending), string(Restarted), string(NotReady)}

// Past is where a question looks things up. Sequences are those of EVENTS.
type Past interface {
	// Versions are an object's newest ones up to a sequence, newest first;
	// deletions and earlier objects of the same name included.
	Versions(key proto.ObjectKey, last proto.Seq, limit int) ([]events.Version, error)
	// Beginning is an object as the log began with it, of which no transaction of
	// the log tells; nil when it did not live then.
	Beginning(key proto.ObjectKey) (*events.Record, error)
	// Transaction answers nil for one that is not, or no longer, there.
	Transaction(seq proto.Seq) (*proto.Envelope, error)
	// At is EVENTS as of a moment; nil when that is no longer kept.
	At(seq proto.Seq) (events.View, error)
	// Notes are what was noted about an object by the moment.
	Notes(namespace string, uid types.UID) ([]*corev1.Event, error)
}

// Ask is one question about one object.
type Ask struct {
	Table    *events.Table
	Past     Past
	View     events.View // EVENTS as of the moment
	Key      proto.ObjectKey
	Question Question

	bare bool // hints are not looked for
}

// Answer is why. It always says something; Applies tells whether what was asked
// about is so.
type Answer struct {
	Applies bool
	Says    []string // sentences, the first of them is the answer
	// Ends are the transactions that make it so, oldest first.
	Ends []End
	// Links are causes that no transaction states, by the sequence of the effect.
	Links map[proto.Seq]Link
	// Hints are moments at which the same question has another answer.
	Hints []Hint
}

// End is a transaction that an answer leads to, and what is to be said of it.
type End struct {
	Transaction *proto.Envelope
	Says        []string
}

// Link is a cause that was found out and not recorded.
type Link struct {
	Cause proto.Seq
	Says  string
}

// Hint is a moment worth a look.
type Hint struct {
	At   proto.Seq
	Says string
}

// Check refuses a question that cannot be asked about a kind of object.
func Check(resource proto.Resource, question Question) error {
	switch question {
	case Deleted:
		return nil
	case Pending, Restarted:
		if resource == pods || makesPods(resource) {
			return nil
		}
		return apierrors.NewBadRequest(fmt.Sprintf("question %q is for pods and for what makes pods, as deployments do; about %s there is: deleted%s",
			question, resource, map[bool]string{true: ", not-ready"}[resource == nodes]))
	case NotReady:
		if resource == pods || resource == nodes || makesPods(resource) {
			return nil
		}
		return apierrors.NewBadRequest(fmt.Sprintf("question %q is for pods, nodes, and what makes pods, as deployments do; about %s there is: deleted", question, resource))
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("question %q: must be one of %s", question, strings.Join(Questions, ", ")))
	}
}

var (
	pods        = proto.Resource{Name: "pods"}
	nodes       = proto.Resource{Name: "nodes"}
	namespaces  = proto.Resource{Name: "namespaces"}
	replicaSets = proto.Resource{Group: "apps", Name: "replicasets"}
)

// makesPods tells whether objects of the resource own pods, or what does.
func makesPods(resource proto.Resource) bool {
	return resource.Group == "apps" || resource.Group == "batch" || resource.Name == "replicationcontrollers"
}

// Explain answers a question; nil when the log knows no such object.
func Explain(ask Ask) (*Answer, error) {
	if err := Check(ask.Key.Resource, ask.Question); err != nil {
		return nil, err
	}
	newest, err := ask.Past.Versions(ask.Key, ask.View.Seq(), 1)
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	q := newQuery(ask)
	q.newest = newest[0]
	switch ask.Question {
	case Deleted:
		err = q.deleted()
	case Pending:
		err = q.pending()
	case Restarted:
		err = q.restarted()
	case NotReady:
		err = q.notReady()
	}
	if err != nil {
		return nil, fmt.Errorf("why %s %s: %w", name(ask.Key), ask.Question, err)
	}
	if err := q.proveHints(); err != nil {
		return nil, fmt.Errorf("why %s %s, as a hint says: %w", name(ask.Key), ask.Question, err)
	}
	slices.SortStableFunc(q.answer.Ends, func(a, b End) int { return byAge(a.Transaction, b.Transaction) })
	return q.answer, nil
}

func byAge(a, b *proto.Envelope) int {
	switch {
	case a.Seq < b.Seq:
		return -1
	case a.Seq > b.Seq:
		return 1
	default:
		return 0
	}
}

// query is an Ask under way.
type query struct {
	Ask
	newest  events.Version // of the object, as of the moment
	answer  *Answer
	walks   map[visit]*revisit
	decoded map[*events.Record]events.Object
}

func newQuery(ask Ask) *query {
	return &query{
		Ask: ask, answer: &Answer{Links: map[proto.Seq]Link{}}, walks: map[visit]*revisit{}, decoded: map[*events.Record]events.Object{},
	}
}

func (q *query) say(format string, args ...any) {
	q.answer.Says = append(q.answer.Says, fmt.Sprintf(format, args...))
}

// sayOnce says what several pods have in common.
func (q *query) sayOnce(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(q.answer.Says, text) {
		q.answer.Says = append(q.answer.Says, text)
	}
}

// end adds a transaction to what the answer leads to, or says more of one that
// is there.
func (q *query) end(env *proto.Envelope, says ...string) {
	for i := range q.answer.Ends {
		if at := &q.answer.Ends[i]; at.Transaction.Seq == env.Seq {
			for _, text := range says {
				if !slices.Contains(at.Says, text) {
					at.Says = append(at.Says, text)
				}
			}
			return
		}
	}
	q.answer.Ends = append(q.answer.Ends, End{Transaction: env, Says: says})
}

// hint points at a moment.
func (q *query) hint(at proto.Seq, format string, args ...any) {
	q.answer.Hints = append(q.answer.Hints, Hint{At: at, Says: fmt.Sprintf(format, args...)})
}
