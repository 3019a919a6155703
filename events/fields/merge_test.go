package fields

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestMerge takes what leads from base to wanted into now.
func TestMerge(t *testing.T) {
	tests := []struct{ name, base, now, wanted, want, moved string }{
		{"nobody else", `{"a":2,"b":1}`, `{"a":2,"b":1}`, `{"a":1,"b":1}`, `{"a":1,"b":1}`, ""},
		{"another field since", `{"a":2,"b":1}`, `{"a":2,"b":7}`, `{"a":1,"b":1}`, `{"a":1,"b":7}`, ""},
		{"the same field since", `{"a":2}`, `{"a":7}`, `{"a":1}`, `{"a":7}`, "a"},
		{"as wanted already", `{"a":2}`, `{"a":1}`, `{"a":1}`, `{"a":1}`, ""},
		{"a key goes", `{"l":{"a":1,"b":1}}`, `{"l":{"a":1,"b":1,"c":1}}`, `{"l":{"a":1}}`, `{"l":{"a":1,"c":1}}`, ""},
		{"the last key goes, and its map", `{"l":{"a":1}}`, `{"l":{"a":1}}`, `{}`, `{}`, ""},
		{"a map goes that has another key by now", `{"l":{"a":1}}`, `{"l":{"a":1,"b":1}}`, `{}`, `{"l":{"b":1}}`, ""},
		{"a map comes back that is there again", `{}`, `{"l":{"b":1}}`, `{"l":{"a":1}}`, `{"l":{"a":1,"b":1}}`, ""},
		{"a map that is not taken back makes none", `{"l":{"a":1}}`, `{}`, `{"l":{"a":2}}`, `{}`, "l.a"},
		{"an empty map stays", `{"l":{},"a":2}`, `{"l":{},"a":2}`, `{"l":{},"a":1}`, `{"a":1,"l":{}}`, ""},
		{"a structure is one field", `{}`, `{"p":{"exec":{"command":["b"]}}}`, `{"p":{"httpGet":{"port":1},"period":1}}`, `{"p":{"exec":{"command":["b"]}}}`, "p"},
		{"a list of texts is one field", `{"args":["b"]}`, `{"args":["c"]}`, `{"args":["a"]}`, `{"args":["c"]}`, "args"},
		{"an element by its name", `{"c":[{"name":"x","i":2},{"name":"y","i":1}]}`, `{"c":[{"name":"y","i":7},{"name":"x","i":2}]}`,
			`{"c":[{"name":"x","i":1},{"name":"y","i":1}]}`, `{"c":[{"i":7,"name":"y"},{"i":1,"name":"x"}]}`, ""},
		{"an element comes back where it stood", `{"c":[{"name":"a"},{"name":"c"}]}`, `{"c":[{"name":"a"},{"name":"c"},{"name":"d"}]}`,
			`{"c":[{"name":"a"},{"name":"b"},{"name":"c"}]}`, `{"c":[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]}`, ""},
		{"an element comes back in front", `{"c":[{"name":"b"}]}`, `{"c":[{"name":"b","i":7}]}`,
			`{"c":[{"name":"a"},{"name":"b"}]}`, `{"c":[{"name":"a"},{"i":7,"name":"b"}]}`, ""},
		{"an element goes", `{"c":[{"name":"a"},{"name":"b"}]}`, `{"c":[{"name":"b"},{"name":"a"}]}`, `{"c":[{"name":"a"}]}`, `{"c":[{"name":"a"}]}`, ""},
		{"the only element goes", `{"c":[{"name":"a"}]}`, `{"c":[{"name":"a"}]}`, `{}`, `{}`, ""},
		{"an element goes that changed", `{"c":[{"name":"a"},{"name":"b","i":1}]}`, `{"c":[{"name":"a"},{"name":"b","i":7}]}`,
			`{"c":[{"name":"a"}]}`, `{"c":[{"name":"a"},{"i":7,"name":"b"}]}`, "c[b]"},
		{"the order of elements", `{"c":[{"name":"b"},{"name":"a"}]}`, `{"c":[{"name":"b"},{"name":"a"}]}`,
			`{"c":[{"name":"a"},{"name":"b"}]}`, `{"c":[{"name":"a"},{"name":"b"}]}`, ""},
		{"elements without names, by place", `{"t":[{"x":2},{"x":1}]}`, `{"t":[{"x":2},{"x":7}]}`, `{"t":[{"x":1},{"x":1}]}`, `{"t":[{"x":1},{"x":7}]}`, ""},
		{"elements without names, of which there are more by now", `{"t":[{"x":2}]}`, `{"t":[{"x":2},{"x":7}]}`, `{"t":[{"x":1}]}`, `{"t":[{"x":2},{"x":7}]}`, "t"},
		{"bookkeeping", `{"metadata":{"resourceVersion":"2"}}`, `{"metadata":{"resourceVersion":"3"}}`, `{"metadata":{"resourceVersion":"1"}}`, `{"metadata":{"resourceVersion":"3"}}`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, force := range []bool{false, true} {
				var moved []string
				now := parsed(t, test.now)
				got := Merge(parsed(t, test.base), now, parsed(t, test.wanted), func(f Field) bool {
					if f.Moved() {
						moved = append(moved, f.Path)
					}
					return force || !f.Moved()
				})
				slices.Sort(moved)
				if text := printed(t, got); !force && (text != test.want || strings.Join(moved, " ") != test.moved) {
					t.Errorf("got %s, moved %s; want %s, moved %s", text, moved, test.want, test.moved)
				}
				if printed(t, now) != printed(t, parsed(t, test.now)) {
					t.Errorf("now was written to: %s", printed(t, now))
				}
				again := Merge(parsed(t, test.base), got, parsed(t, test.wanted), func(f Field) bool { return force })
				if force && printed(t, again) != printed(t, got) {
					t.Errorf("merged by force once more: %s, was %s", printed(t, again), printed(t, got))
				}
			}
		})
	}
}

func parsed(t *testing.T, text string) (out map[string]any) {
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func printed(t *testing.T, value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
