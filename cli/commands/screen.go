package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// viaWidth is as much of a command line, or of what a client calls itself, as a
// table shows.
const viaWidth = 80

// machineForms are outputs that programs read: they stay as they are.
var machineForms = []string{"json", "yaml", "jsonl", "cloudevents"}

// screen is where our own commands print for people. What came from outside may
// hold characters that move the cursor or turn the writing round: they are printed
// as their numbers, here and nowhere else, unless a program reads it.
type screen struct {
	out  io.Writer
	raw  bool
	rest []byte // the beginning of a character whose end has not come
}

// listen finds out who reads what a command prints.
func (s *screen) listen(cmd *cobra.Command) {
	flag := cmd.Flags().Lookup("output")
	s.raw = flag != nil && slices.Contains(machineForms, flag.Value.String())
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	if s.raw {
		return s.out.Write(p)
	}
	text := append(s.rest, p...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if i := len(text) - back; utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				whole = i
			}
			break
		}
	}
	s.rest = slices.Clone(text[whole:])
	if _, err := io.WriteString(s.out, visible(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// beneath is what a program writes to that draws the whole screen, or is another one.
func beneath(out io.Writer) io.Writer {
	if s, ok := out.(*screen); ok {
		return s.out
	}
	return out
}

// visible prints the characters as their numbers that a terminal would not show
// but obey; lines and tabs stay.
func visible(text string) string {
	hidden := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if !hidden(r) {
			out.WriteRune(r)
			continue
		}
		if r > 0xffff {
			fmt.Fprintf(&out, `\U%08x`, r)
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.String()
}
