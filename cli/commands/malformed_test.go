package commands

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestO2MalformedLines: the line of a flaw is that of the file, wherever it
// stands and whatever it is. In the cases ! marks the line, and is taken out.
func TestO2MalformedLines(t *testing.T) {
	tests := []struct{ name, file, says string }{
		{"indented too little", "a: b\nm:\n  n: broken\n! data:\n  a: 1\n", "did not find expected key"},
		{"a list that ends as a map", "a: b\nm:\n  - x\n!  y: 1\n", "did not find expected '-' indicator"},
		{"a map that ends as a list", "x: 1\n!- y\n", "did not find expected key"},
		{"an open list", "a: [1, 2\n!b: 2\n", "did not find expected ',' or ']'"},
		{"an open map", "a: {x: 1, y\n!b: 2\n", "did not find expected ',' or '}'"},
		{"one brace too many", "x: 1\n!a: {b: c}}\n", "did not find expected key"},
		{"on the first line", "!a: ]\n", "did not find expected node content"},
		{"a value too many", "x: 1\n!a: b: c\n", "mapping values are not allowed in this context"},
		{"a value too many on the first line", "!a: b: c\n", "mapping values are not allowed in this context"},
		{"a tab", "a: 1\nb:\n!\t- x\n", "found character that cannot start any token"},
		{"a tab after a value", "a: 1\n!\tb: 2\n", "found a tab character that violates indentation"},
		{"no colon", "x: 1\n!key\n\n# comment\n\ny: 2\n", "could not find expected ':'"},
		{"no colon on the first line", "key\n!y: 2\n", "mapping values are not allowed in this context"},
		{"an open quote", "a: 1\n!b: \"open\nc: 2\nd: 3\n", "found unexpected end of stream"},
		{"an escape", "x: 1\n!a: \"\\q\"\n", "found unknown escape character"},
		{"an anchor", "x: 1\n!a: *nope\n", "unknown anchor 'nope' referenced"},
		{"a control character", "x: 1\n!\x01: y\n", "control characters are not allowed"},
		{"no UTF-8", "x: 1\n!y: \xff\n", "invalid leading UTF-8 octet"},
		{"Windows", "a: b\r\nm:\r\n  n: broken\r\n! data:\r\n  a: 1\r\n", "did not find expected key"},
		{"after a comment and blank lines", "# what\n\n\na: b\nm:\n  n: broken\n! data:\n", "did not find expected key"},
		{"after a separator", "---\na: b\nm:\n  n: broken\n! data:\n", "did not find expected key"},
		{"in the second document", "a: b\n---\na: b\nm:\n  n: broken\n! data:\n", "did not find expected key"},
		{"in the third, after an empty one", "a: b\n---\n\n--- # two\n# x\n---\na: b\n!c: d: e\n", "mapping values are not allowed in this context"},
		{"on the first line of the second", "a: b\n---\n!a: ]\n", "did not find expected node content"},
		{"a separator that is none", "a: b\n!---x\nc: d\n", "nothing but a comment may follow --- on its line"},
		{"JSON", "{\n\"a\": 1,\n!\"b\": ]\n}\n", "invalid character ']' looking for beginning of value"},
		{"JSON, the second object", "{\"a\": 1}\n{\n!\"b\" 1\n}\n", "invalid character '1' after object key"},
		{"JSON that ends too early", "{\n\"a\": 1,\n!\"b\": 2\n", "unexpected EOF"},
		{"nothing wrong", "a: b\n---\n# nothing\n---\nc: {d: [e]}\n", ""},
		{"nothing wrong in JSON", "{\"a\": 1}\n{\"b\": 2}\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line := 0
			for i, text := range strings.Split(test.file, "\n") {
				if strings.HasPrefix(text, "!") {
					line = i + 1
				}
			}
			data := []byte(strings.ReplaceAll("\n"+test.file, "\n!", "\n")[1:])
			found := flawOf(data)
			switch {
			case found == nil && test.says != "":
				t.Fatal("nothing is found")
			case found != nil && (found.line != line || found.says != test.says):
				t.Errorf("line %d: %s; want line %d: %s", found.line, found.says, line, test.says)
			}
			if said := decodeError(data); (said == "") != (test.says == "") {
				t.Errorf("kubectl says %q", said)
			}
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestO2ExactPlace: what kubectl says gets the place, and nothing else changes.
func TestO2ExactPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("a: b\n---\nm:\n  n: broken\n data:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &manifests{}
	var long manifests
	if n, err := io.Copy(&long, io.LimitReader(zeros{}, 3*mostManifest)); err != nil || n != 3*mostManifest || long.stdin.Len() != mostManifest {
		t.Errorf("of %d bytes %d are remembered, %v", n, long.stdin.Len(), err)
	}
	if _, err := m.Write([]byte("a: b: c\n")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ said, want string }{
		{
			"error: error parsing " + file + ": error converting YAML to JSON: yaml: line 2: did not find expected key",
			"error: error parsing " + file + ": line 5: did not find expected key\n    5 | data:",
		},
		{
			"error: [error parsing STDIN: error converting YAML to JSON: yaml: mapping values are not allowed in this context, other]",
			"error: [error parsing STDIN: line 1: mapping values are not allowed in this context\n    1 |a: b: c, other]",
		},
		{"error: error parsing https://example.org/x.yaml: no idea", "error: error parsing https://example.org/x.yaml: no idea"},
		{"Error from server (NotFound): error parsing nothing", "Error from server (NotFound): error parsing nothing"},
		{"", ""},
	}
	for _, test := range tests {
		if got := m.exactly(test.said); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}
