// Package yamls writes values as YAML, whatever characters are in them.
//
// What comes in: any value that has a JSON form, or that form. What goes out: the
// same as YAML that every reader of YAML takes.
//
// What never happens here: I/O, or a refusal of what the log may contain.
//
// Start with yaml.go: it is all there is.
package yamls

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Marshal writes a value as YAML.
func Marshal(value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write it as JSON: %w", err)
	}
	return FromJSON(data)
}

// FromJSON writes a JSON document as YAML.
func FromJSON(document []byte) ([]byte, error) {
	data, err := yaml.JSONToYAML(escaped(document))
	if err != nil {
		return nil, fmt.Errorf("write it as YAML: %w", err)
	}
	return data, nil
}

// escaped writes the characters as escapes that JSON has as they are, and YAML
// refuses or reads as the end of a line. In JSON they occur in strings only.
func escaped(document []byte) []byte {
	if !bytes.ContainsFunc(document, special) {
		return document
	}
	out := make([]byte, 0, len(document)+16)
	for len(document) > 0 {
		r, size := utf8.DecodeRune(document)
		if special(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, document[:size]...)
		}
		document = document[size:]
	}
	return out
}

// special is DEL, the control characters of the upper half (the next line among
// them), the ends of lines and of paragraphs, the byte order mark, and what is no
// character.
func special(r rune) bool {
	return 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff
}
