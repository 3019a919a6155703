package projections

import (
	"bytes"
	"cmp"
	"testing"

	"segno/proto"
)

// FuzzKeyOrder checks that row keys sort as their parts do, read back, and keep
// what Pebble wants of prefixes and suffixes.
func FuzzKeyOrder(f *testing.F) {
	f.Add("", "pods", "default", "web", uint64(1), "", "pods", "default", "web", uint64(2))
	f.Add("apps", "a", "b", "c", uint64(9), "app", "sa", "b\x00", "c", uint64(0x0909090909090909))
	f.Add("", "a\x00", "\x00\x01", "\xff", uint64(0), "", "a", "\x00\xff", "\xff\x00", ^uint64(0))
	f.Fuzz(func(t *testing.T, g1, r1, ns1, n1 string, s1 uint64, g2, r2, ns2, n2 string, s2 uint64) {
		a := proto.Resource{Group: g1, Name: r1}.Key(ns1, n1)
		b := proto.Resource{Group: g2, Name: r2}.Key(ns2, n2)
		order := cmp.Or(cmp.Compare(g1, g2), cmp.Compare(r1, r2), cmp.Compare(ns1, ns2), cmp.Compare(n1, n2))
		ka, kb := appendObject(nil, spaceCurrent, a), appendObject(nil, spaceCurrent, b)
		if got := bytes.Compare(ka, kb); got != order {
			t.Fatalf("keys of %v and %v compare %d, want %d", a, b, got, order)
		}
		if back, err := takeObject(ka); err != nil || back != a {
			t.Fatalf("%v reads back as %v, %v", a, back, err)
		}
		prefix := appendResource(nil, spaceCurrent, a.Resource)
		if ns, name, err := takeTail(ka, len(prefix)); err != nil || ns != ns1 || name != n1 {
			t.Fatalf("the tail of %v reads back as %q %q, %v", a, ns, name, err)
		}
		checkVersions(t, a, b, proto.Seq(s1), proto.Seq(s2), order)
	})
}

func checkVersions(t *testing.T, a, b proto.ObjectKey, s1, s2 proto.Seq, order int) {
	va, vb := appendVersion(nil, a, s1), appendVersion(nil, b, s2)
	if got, want := comparer.Compare(va, vb), cmp.Or(order, cmp.Compare(s2, s1)); got != want {
		t.Fatalf("versions %v@%d and %v@%d compare %d, want %d", a, s1, b, s2, got, want)
	}
	prefix, seq := splitVersion(va)
	if seq != s1 || !bytes.Equal(prefix, appendObject(nil, spaceVersion, a)) {
		t.Fatalf("version %v@%d splits into %q and %d", a, s1, prefix, seq)
	}
	for _, key := range [][]byte{va, vb, prefix} {
		if at := comparer.Split(key); !bytes.Equal(key[:at], appendObject(nil, spaceVersion, a)) && !bytes.Equal(key[:at], appendObject(nil, spaceVersion, b)) {
			t.Fatalf("%q is split behind %q", key, key[:at])
		}
	}
	pa, pb := va[:comparer.Split(va)], vb[:comparer.Split(vb)]
	if c := bytes.Compare(pa, pb); c != 0 && c != comparer.Compare(va, vb) || c == 0 && comparer.Compare(va, vb) != comparer.ComparePointSuffixes(va[len(pa):], vb[len(pb):]) {
		t.Fatalf("versions %q and %q do not sort as their prefixes do", va, vb)
	}
	for _, number := range [][]byte{eventKey(s1), causeKey(s1, s2), timeKey(int64(s1), s2)} {
		if comparer.Split(number) != len(number) {
			t.Fatalf("%q is taken for a version", number)
		}
	}
	if end := after(prefix); bytes.Compare(va, end) >= 0 || order > 0 && bytes.HasPrefix(vb, prefix) {
		t.Fatalf("%q is not behind all versions of %v", end, a)
	}
}

func TestKeysOfEverySpaceReadBack(t *testing.T) {
	key := pods.Key("default", "web")
	for want, row := range map[string][]byte{
		"event 7":                         eventKey(7),
		"version /pods/default/web @7":    appendVersion(nil, key, 7),
		"current /pods/default/web":       appendObject(nil, spaceCurrent, key),
		"label /pods/app/web/default/web": appendTexts(labelPrefix(pods, "app", "web"), "default", "web"),
		"owner u1//pods/default/web":      appendTexts(ownerPrefix("u1", pods), "default", "web"),
		"node n1/default/web":             appendTexts(nodePrefix("n1"), "default", "web"),
		"field /pods/f/v/default/web":     appendTexts(fieldPrefix(pods, "f", "v"), "default", "web"),
		"time 2026-01-01T00:00:00Z 64":    timeKey(birth.UnixNano(), 64),
		"cause 3 of 9":                    causeKey(3, 9),
		"position":                        {spacePosition},
		"format":                          {spaceFormat},
		`unknown row "?"`:                 []byte("?"),
		"empty key":                       {},
		`current /pods/"x"`:               []byte("c\x00\x01pods\x00\x01x"),
	} {
		if got := describeKey(row); got != want {
			t.Errorf("%q reads %q, want %q", row, got, want)
		}
	}
}
