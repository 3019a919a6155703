package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml3 "go.yaml.in/yaml/v3"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// flaw is what is wrong with a manifest as YAML or JSON, and where.
type flaw struct {
	line int // from 1, in the file; 0 when nobody knows
	says string
	text string // of the line
}

func (f flaw) String() string {
	if f.line == 0 {
		return f.says
	}
	return fmt.Sprintf("line %d: %s\n%5d |%s", f.line, f.says, f.line, f.text)
}

// flawOf finds the first flaw, or nil. The decoder that kubectl brings counts
// lines from the beginning of a document, and those of one sort of mistake from
// 0; here they are those of the file.
func flawOf(data []byte) *flaw {
	found := jsonFlaw
	if !utilyaml.IsJSONBuffer(data) {
		found = yamlFlaw
	}
	out := found(data)
	if lines := bytes.Split(data, []byte("\n")); out != nil && out.line > 0 && out.line <= len(lines) {
		out.text = strings.TrimRight(printableLine(lines[out.line-1]), "\r")
	}
	return out
}

func printableLine(line []byte) string {
	return cut(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || (unicode.IsControl(r) && r != '\t' && r != '\r') {
			return '�'
		}
		return r
	}, string(line)), 120)
}

func jsonFlaw(data []byte) *flaw {
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var one json.RawMessage
		err := decoder.Decode(&one)
		var syntax *json.SyntaxError
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &syntax) && syntax.Offset > 0:
			return &flaw{line: 1 + bytes.Count(data[:min(int(syntax.Offset)-1, len(data))], []byte("\n")), says: syntax.Error()}
		default:
			return &flaw{line: 1 + bytes.Count(bytes.TrimSpace(data), []byte("\n")), says: err.Error()}
		}
	}
}

// yamlFlaw goes through the documents of a file.
func yamlFlaw(data []byte) *flaw {
	lines := bytes.SplitAfter(data, []byte("\n"))
	begin := 0
	for i := 0; i <= len(lines); i++ {
		separates := i < len(lines) && bytes.HasPrefix(lines[i], []byte("---"))
		if i < len(lines) && !separates {
			continue
		}
		if f := documentFlaw(bytes.Join(lines[begin:i], nil)); f != nil {
			if f.line > 0 {
				f.line += begin
			}
			return f
		}
		if begin = i + 1; separates {
			if after := bytes.TrimSpace(lines[i][len("---"):]); len(after) > 0 && after[0] != '#' {
				return &flaw{line: i + 1, says: "nothing but a comment may follow --- on its line"}
			}
		}
	}
	return nil
}

// Forms of what the YAML libraries say.
var (
	atLine = regexp.MustCompile(`^line (\d+): `)
	// parserSays are the mistakes whose lines are counted from 0. Those of the
	// scanner, which sees characters, are counted from 1.
	parserSays = regexp.MustCompile(`^did not find expected (<stream-start>|<document start>|node content|'-' indicator|key|',' or '[]}]')|^found (duplicate %|incompatible YAML document|undefined tag handle)`)
	// openSays are mistakes that are noticed long after they were made.
	openSays     = regexp.MustCompile(`^(could not find expected ':'|found unexpected end of stream)`)
	anchorSays   = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
	characterIll = regexp.MustCompile(`control characters are not allowed|UTF-8|UTF-16|invalid Unicode`)
)

// documentFlaw finds the flaw of one document. A comment before it keeps the
// libraries from leaving out the number of the first line.
func documentFlaw(document []byte) *flaw {
	shifted := append([]byte("#\n"), document...)
	var anything json.RawMessage
	says, line := taken(yaml.Unmarshal(shifted, &anything), "error converting YAML to JSON: yaml: ")
	switch {
	case says == "":
		return nil
	case parserSays.MatchString(says):
		line++
	case openSays.MatchString(says):
		// The other library tells where it began.
		var node yaml3.Node
		if other, began := taken(yaml3.Unmarshal(shifted, &node), "yaml: "); openSays.MatchString(other) && began > 0 {
			line = began
		}
	case line == 0:
		line = 1 + lineOf(document, says)
	}
	return &flaw{line: max(line-1, 0), says: says}
}

// taken takes an error apart into what it says and its line, 0 when it has none.
func taken(err error, prefix string) (says string, line int) {
	if err == nil {
		return "", 0
	}
	says = strings.TrimPrefix(err.Error(), prefix)
	if match := atLine.FindStringSubmatch(says); match != nil {
		line, _ = strconv.Atoi(match[1])
		says = strings.TrimPrefix(says, match[0])
	}
	return says, line
}

// lineOf looks for what the libraries name without its place; 0 is nowhere.
func lineOf(document []byte, says string) int {
	ill := func([]byte) bool { return false }
	if match := anchorSays.FindStringSubmatch(says); match != nil {
		ill = func(line []byte) bool { return bytes.Contains(line, []byte("*"+match[1])) }
	}
	if characterIll.MatchString(says) {
		ill = func(line []byte) bool {
			return !utf8.Valid(line) || bytes.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\r' })
		}
	}
	return 1 + slices.IndexFunc(bytes.Split(document, []byte("\n")), ill)
}
