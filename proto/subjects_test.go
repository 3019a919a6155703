package proto

import (
	"errors"
	"strings"
	"testing"
)

// subjectsOf runs every function that puts foreign text into a subject.
func subjectsOf(text string) []string {
	key := Resource{Group: text, Name: text}.Key(text, text)
	userForth, userBack, _ := TunnelSubjects(UserDial(text), "ABC234")
	nodeForth, nodeBack, _ := TunnelSubjects(NodeDial(NodeName(text)), "ABC234")
	return []string{
		userForth, userBack, nodeForth, nodeBack, NodeRegister(NodeName(text)),
		LogSubject(StreamEvents, key), LogSubject(StreamNotes, key), LogSubject(StreamLeases, key), FeedSubject(key),
		UserDial(text), NodeReport(NodeName(text)), NodeSync(NodeName(text)), NodeBeat(NodeName(text)),
		NodeDial(NodeName(text)), NodeWant(NodeName(text)), Join(text), Inbox(text),
	}
}

// FuzzSubjects: whatever a name is, it stays one token, smuggles in no
// wildcard, and can be read back.
func FuzzSubjects(f *testing.F) {
	for _, text := range []string{
		"", "-", "--", "%2D", "n1", "a.b", "a_b", "*", ">", "a.>", "a b", "a\tb", "a\r\nPUB x 0", "\x00", "\x7f", "%", "%4", "%zz", "ü", "\xff",
		"\u0085", "\f", "\v", "x.*.dial", strings.Repeat("a.", 200),
	} {
		f.Add(text)
	}
	plain := subjectsOf("x")
	f.Fuzz(func(t *testing.T, text string) {
		if got := Untoken(token(text)); got != text {
			t.Fatalf("token %q reads back as %q, was %q", token(text), got, text)
		}
		for _, subject := range []string{UserDial(text), NodeReport(NodeName(text)), NodeDial(NodeName(text))} {
			if got := Pinned(subject); got != text {
				t.Fatalf("%q pins %q, was %q", subject, got, text)
			}
		}
		for i, subject := range subjectsOf(text) {
			if got, want := strings.Count(subject, "."), strings.Count(plain[i], "."); got != want {
				t.Fatalf("%q has %d dots, want %d", subject, got, want)
			}
			for _, tok := range strings.Split(subject, ".") {
				if tok == "" || strings.ContainsAny(tok, "*>") {
					t.Fatalf("%q has an empty token or a wildcard", subject)
				}
			}
			for j := range len(subject) {
				if subject[j] <= ' ' || subject[j] >= 0x7f {
					t.Fatalf("%q has byte %#x", subject, subject[j])
				}
			}
		}
	})
}

func FuzzUntoken(f *testing.F) {
	f.Add("%")
	f.Add("%F")
	f.Add("a%zz_")
	f.Fuzz(func(_ *testing.T, tok string) { Untoken(tok) }) // never panics
}

func TestDifferentNamesHaveDifferentTokens(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"", "-", "%2D", "a.b", "a_b", "a%5Fb", "a%2Eb", "a b", "A.B", "a..b", "_", ".", "%"} {
		tok := token(text)
		if other, taken := seen[tok]; taken {
			t.Errorf("%q and %q share the token %q", text, other, tok)
		}
		seen[tok] = text
	}
}

func TestNobodyPointsATunnelElsewhere(t *testing.T) {
	for _, c := range [][2]string{
		{"cmd.ann.dial", "abc"}, {"cmd.ann.dial", "A.B"}, {"cmd.ann.dial", ">"}, {"cmd.ann.dial", ""}, {"cmd.ann.dial", strings.Repeat("A", 65)},
		{"cmd.ann.b.dial", "ABC"}, {"cmd.ann", "ABC"}, {"cmd.ann.report", "ABC"}, {"ev.ann.dial", "ABC"}, {"", "ABC"},
	} {
		if forth, back, err := TunnelSubjects(c[0], c[1]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q, %q: got %s and %s, %v", c[0], c[1], forth, back, err)
		}
	}
}

func TestSubjectsAsDocumented(t *testing.T) {
	deployment := Resource{Group: "apps", Name: "deployments"}.Key("default", "web.v1")
	for got, want := range map[string]string{
		LogSubject(StreamEvents, deployment):                                                           "ev.apps.deployments.default",
		LogSubject(StreamNotes, Resource{Name: "events"}.Key("ns", "x")):                               "nt.-.events.ns",
		LogSubject(StreamLeases, Resource{Group: "coordination.k8s.io", Name: "leases"}.Key("n", "x")): "ls.coordination_k8s_io.leases.n",
		LogSubject(StreamEvents, Resource{Name: "nodes"}.Key("", "n1")):                                "ev.-.nodes.-",
		LogSubjects(StreamEvents):                                                                      "ev.>",
		LogSubject(EpochStream(StreamEvents, 3), deployment):                                           "ev3.apps.deployments.default",
		LogSubjects(EpochStream(StreamEvents, 12)):                                                     "ev12.>",
		FeedSubject(deployment):                                                                        "feed.apps.deployments.default.web_v1",
		UserDial("ann@example.com"):                                                                    "cmd.ann@example_com.dial",
		NodeReport("n1.local"):                                                                         "sts.n1_local.report",
		NodeSync("n1"):                                                                                 "sts.n1.sync",
		NodeShared("n1.local"):                                                                         "sts.n1_local.shared",
		NodeBeat("n1"):                                                                                 "sts.n1.beat",
		AnyNode("beat"):                                                                                "sts.*.beat",
		NodeDial("n1"):                                                                                 "node.n1.dial",
		NodeWant("n1"):                                                                                 "node.n1.want",
		Join("abc"):                                                                                    "join.abc",
		Inbox("user:x"):                                                                                "_INBOX_user:x",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEpochsHaveStreamsOfTheirOwn(t *testing.T) {
	for stream, want := range map[string]uint32{"EVENTS": 0, "EVENTS_1": 1, "EVENTS_4294967295": 4294967295} {
		if got, ok := ParseEpoch(StreamEvents, stream); !ok || got != want {
			t.Errorf("%s is epoch %d, %t, want %d", stream, got, ok, want)
		}
	}
	for _, stream := range []string{"", "EVENTS_", "EVENTS_0", "EVENTS_01", "EVENTS_x", "EVENTS_4294967296", "NOTES", "EVENTSX", "EVENTS_-1", "EVENTS_1_2"} {
		if epoch, ok := ParseEpoch(StreamEvents, stream); ok {
			t.Errorf("%q is taken for epoch %d", stream, epoch)
		}
	}
}
