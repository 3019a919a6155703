package api

import (
	"context"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// historyGroup is the API group under which the past is read. Its resources
// are questions, not collections; the table below has them all.
const historyGroup = "history.segno"

// History is the past as the logs have it. Sequences belong to the log of the
// kind or stream that they pass with.
type History interface {
	// Revisions are an object's newest versions up to a sequence, newest first.
	Revisions(ctx context.Context, kind *events.Kind, key proto.ObjectKey, last proto.Seq, limit int) ([]history.Version, error)
	// Envelope is one transaction; nil when it is not (or no longer) there.
	Envelope(ctx context.Context, stream string, seq proto.Seq) (*proto.Envelope, error)
	// Events yields the transactions from one on, in order; follow waits for more
	// until ctx ends. The last thing it yields may be an error.
	Events(ctx context.Context, stream string, from proto.Seq, follow bool) iter.Seq2[*proto.Envelope, error]
	// Verify proves every log and reports as it goes on. at is a moment of EVENTS
	// whose state hash is wanted, too; 0 is none.
	Verify(ctx context.Context, at proto.Seq, report func(history.Verification)) error
}

// question is one of those that the group answers.
type question struct {
	takes   []string                     // its parameters
	answers map[string]func(*call) error // by method
}

// anObject are the parameters that name an object, or what is asked about many.
var anObject = []string{"group", "resource", "namespace", "name"}

// questions are what the group answers, by resource. What only reads is asked with
// GET, what changes something with POST or DELETE.
var questions = map[string]question{
	"history":     {with(anObject, "limit", "before", "since", "until", "actor", "reason", "field", "follow"), get((*call).history)},
	"blame":       {with(anObject, "before"), get((*call).blame)},
	"diff":        {with(anObject, "from", "to", "section", "stat", "fork"), get((*call).diff)},
	"why":         {with(anObject, "question", "limit", "before"), get((*call).why)},
	"blast":       {with(anObject, "seq", "depth", "limit"), get((*call).blast)},
	"events":      {with(anObject, "from", "to", "limit", "follow", "stream", "actor", "verb", "fact", "correlation", "bodies", "format"), get((*call).tail)},
	"verify":      {with(nil, "audit"), get((*call).verify)},
	"archives":    {nil, get((*call).archives)},
	"backup":      {with(nil, "keys"), get((*call).backup)},
	"export":      {with(nil, "from", "to", "secrets"), get((*call).export)},
	"undo":        {nil, post((*call).undo)},
	"restore":     {nil, post((*call).restore)},
	"bisect":      {with(nil, "when", "from", "to", "stopped", "scan", "namespace"), get((*call).bisect)},
	"whatif":      {nil, post((*call).whatIf)},
	"audit":       {with(anObject, "since", "until", "limit", "follow", "actor", "verb", "outcome", "source", "id", "format"), get((*call).audit)},
	"epochs":      {nil, map[string]func(*call) error{http.MethodGet: (*call).epochs, http.MethodPost: (*call).epochs}},
	"forks":       {with(nil, "name"), map[string]func(*call) error{http.MethodGet: (*call).listForks, http.MethodPost: (*call).makeFork, http.MethodDelete: (*call).removeFork}},
	"advance":     {nil, post((*call).advanceFork)},
	"checkpoint":  {nil, get((*call).checkpoint)},
	"checkpoints": {with(nil, "limit"), get((*call).checkpoints)},
}

func with(these []string, more ...string) []string { return slices.Concat(these, more) }

func get(answer func(*call) error) map[string]func(*call) error {
	return map[string]func(*call) error{http.MethodGet: answer}
}

func post(answer func(*call) error) map[string]func(*call) error {
	return map[string]func(*call) error{http.MethodPost: answer}
}

// usual are parameters that clients of Kubernetes add to any request.
var usual = []string{"timeout", "timeoutSeconds", "pretty", "fieldManager", "fieldValidation"}

// understood refuses parameters that the question does not have: a filter with a
// letter too few would answer everything.
func (q question) understood(resource string, query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case slices.Contains(q.takes, name) || slices.Contains(usual, name):
		case len(q.takes) == 0:
			return badRequest("parameter %q: %s takes none", name, resource)
		default:
			return badRequest("parameter %q: %s takes %s", name, resource, strings.Join(q.takes, ", "))
		}
	}
	return nil
}

// serveHistory answers the questions of the group.
func (c *call) serveHistory() error {
	asked := questions[c.target.Resource]
	if c.api.cfg.History == nil || c.target.Version != "v1" || c.target.Name != "" || c.target.Namespace != "" || asked.answers == nil {
		return notServed()
	}
	answer := asked.answers[c.r.Method]
	if answer == nil {
		return notAllowed(c.target)
	}
	c.trace.question = c.target.Resource
	if err := asked.understood(c.target.Resource, c.r.URL.Query()); err != nil {
		return err
	}
	return answer(c)
}

// asked reads which object the parameters name, and makes sure that the user
// may read it.
func (c *call) asked() (proto.ObjectKey, error) {
	query := c.r.URL.Query()
	object := proto.Object{
		Group: query.Get("group"), Resource: query.Get("resource"), Namespace: query.Get("namespace"), Name: query.Get("name"),
	}
	key := object.Key()
	if object.Resource == "" || object.Name == "" {
		return key, badRequest("the parameters resource and name are required (group and namespace, where the object has them)")
	}
	c.kind = c.api.cfg.Table.Of(key.Resource)
	switch {
	case c.kind == nil:
		return key, badRequest("resource %q: there is none of that name", key.Resource)
	case c.kind.Namespaced && key.Namespace == "":
		return key, badRequest("%s are namespaced: the parameter namespace is required", key.Resource)
	case !c.kind.Namespaced:
		key.Namespace = ""
	}
	c.target = Target{
		Verb: verbGet, Group: key.Group, Version: c.kind.GVK.Version, Namespace: key.Namespace,
		Resource: key.Resource.Name, Name: key.Name, Path: c.target.Path,
	}
	return key, c.authorize()
}

// maxRevisions bounds what one answer decodes; whoever wants more asks again
// with before.
const maxRevisions = 1000

// versions reads the newest revisions of the object, and one more to compare
// the oldest with. A limit of 0 is as many as one answer may have.
func (c *call) versions(key proto.ObjectKey, standard int) (found []history.Version, more bool, err error) {
	limit, err := c.number("limit", standard)
	if err != nil {
		return nil, false, err
	}
	if limit == 0 || limit > maxRevisions {
		limit = maxRevisions
	}
	last, err := c.lastRevision()
	if err != nil {
		return nil, false, err
	}
	found, err = c.api.cfg.History.Revisions(c.r.Context(), c.kind, key, last, limit+1)
	if err != nil {
		return nil, false, err
	}
	if len(found) == 0 {
		return nil, false, apierrors.NewNotFound(c.kind.GroupResource(), key.Name)
	}
	return found, len(found) > limit, nil
}

// lastRevision is where the revisions end: at the moment that the path names,
// and before the sequence that the parameter before names.
func (c *call) lastRevision() (proto.Seq, error) {
	last := proto.Seq(math.MaxUint64)
	if c.past != nil {
		seq, _, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kind, *c.past)
		if err != nil {
			return 0, err
		}
		last = seq
	}
	if text := c.r.URL.Query().Get("before"); text != "" {
		before, err := proto.ParseSeq(text)
		if err != nil || before == 0 {
			return 0, badRequest("before %q: must be a sequence", text)
		}
		last = min(last, before-1)
	}
	return last, nil
}

// number reads a parameter that is a whole number, not below 0.
func (c *call) number(name string, standard int) (int, error) {
	text := strings.TrimSpace(c.r.URL.Query().Get(name))
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("%s %q: must be a whole number, not below 0", name, text)
	}
	return n, nil
}
