package reconcilers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"segno/proto"
)

func TestN6QueueHoldsAKeyOnceInTheOrderOfDueTimes(t *testing.T) {
	var q queue
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	key := func(name string) Key { return Pods.Key("default", name) }
	q.add(key("later"), trigger{seq: 1}, at(10))
	q.add(key("first"), trigger{seq: 2}, at(0))
	q.add(key("second"), trigger{seq: 3}, at(0))
	q.add(key("first"), trigger{seq: 4}, at(5))  // is due already
	q.add(key("later"), trigger{seq: 0}, at(20)) // is due earlier
	if wait, ok := q.wait(start.Add(-time.Second)); !ok || wait != time.Second {
		t.Errorf("wait is %v, %v, want 1s", wait, ok)
	}
	var got []string
	for _, now := range []int{0, 0, 0, 9, 10, 10} {
		k, tr, ok := q.next(at(now))
		got = append(got, fmt.Sprintf("%s %d %v", k.Name, tr.seq, ok))
	}
	want := "first 4 true, second 3 true,  0 false,  0 false, later 1 true,  0 false"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if _, ok := q.wait(start); ok {
		t.Error("an empty queue waits for something")
	}
}

func TestN6AnswersAreOfThreeClasses(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	cause := errors.New("because")
	for _, c := range []struct {
		err  error
		want answer
	}{
		{nil, accepted},
		{apierrors.NewConflict(pods, "p", cause), stale},
		{apierrors.NewNotFound(pods, "p"), stale},
		{apierrors.NewAlreadyExists(pods, "p"), stale},
		{fmt.Errorf("item 3 of 7: %w", apierrors.NewConflict(pods, "p", cause)), stale},
		{apierrors.NewForbidden(pods, "p", cause), refused},
		{apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", nil), refused},
		{apierrors.NewBadRequest("no"), refused},
		{apierrors.NewRequestEntityTooLargeError("too large"), refused},
		{apierrors.NewTooManyRequests("later", 1), failed},
		{apierrors.NewServiceUnavailable("no leader"), failed},
		{apierrors.NewInternalError(cause), failed},
		{cause, failed},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v is of class %d, want %d", c.err, got, c.want)
		}
	}
}

func TestW1NamesAreSafeAndSpreadOut(t *testing.T) {
	safe := regexp.MustCompile(`^[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for i := range 10_000 {
		suffix, uid := Suffix("rs", proto.Seq(7), i), string(UID("rs", proto.Seq(7), i))
		if !safe.MatchString(suffix) {
			t.Fatalf("suffix %q", suffix)
		}
		if !uuid.MatchString(uid) || seen[uid] {
			t.Fatalf("UID %q, seen %v", uid, seen[uid])
		}
		seen[uid], seen[suffix] = true, true
	}
	if different := len(seen) - 10_000; different < 9_950 {
		t.Errorf("%d different suffixes of 10000, want nearly all", different)
	}
	if Suffix("ab", "c") == Suffix("a", "bc") {
		t.Error("parts run into one another")
	}
	long := Generated(strings.Repeat("x", 80)+"-", "abcde")
	if problems := validation.IsDNS1123Label(long); len(problems) > 0 || !strings.HasSuffix(long, "abcde") {
		t.Errorf("%q: %v", long, problems)
	}
}

func TestN6NotesAreNamedByWhatTheySay(t *testing.T) {
	note := Note{From: "a", Reason: "R", Message: "m"}
	note.About.Name, note.About.Namespace, note.About.UID = strings.Repeat("n", 253), "ns", "1"
	same, other := note, note
	same.Count, same.Needs = 7, Pods.Key("ns", "p")
	other.Message = "another"
	if note.key() != same.key() || note.key() == other.key() {
		t.Error("a note's name must follow from what it says, and from nothing else")
	}
	if problems := validation.IsDNS1123Subdomain(note.key().Name); len(problems) > 0 {
		t.Errorf("%q: %v", note.key().Name, problems)
	}
	first := note.key()
	note.About.FieldPath = "spec.containers{a}"
	if note.key() == first {
		t.Error("a note about a container and one about its pod are one")
	}
	other, note.Similar, other.Similar = note, true, true
	other.Message = "another"
	if note.key() != other.key() {
		t.Error("similar notes are not one")
	}
	note.About.Namespace = ""
	if note.key().Namespace != "default" {
		t.Errorf("a note about a node is in %q, want default", note.key().Namespace)
	}
}
