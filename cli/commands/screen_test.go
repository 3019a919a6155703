package commands

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestScreenShowsWhatATerminalWouldObey writes byte by byte, as any writer in
// between may.
func TestScreenShowsWhatATerminalWouldObey(t *testing.T) {
	const hostile = "a\u009bb\u202ec\x1b[2Jd\r\x7f\u2028é…\U0001f600\U000e0001\tx\n"
	for _, c := range []struct{ output, want string }{
		{"table", `a\u009bb\u202ec\u001b[2Jd\u000d\u007f\u2028é…` + "\U0001f600" + `\U000e0001` + "\tx\n"},
		{"lines", `a\u009bb\u202ec\u001b[2Jd\u000d\u007f\u2028é…` + "\U0001f600" + `\U000e0001` + "\tx\n"},
		{"json", hostile}, {"yaml", hostile}, {"jsonl", hostile}, {"cloudevents", hostile},
	} {
		var out strings.Builder
		s := &screen{out: &out}
		cmd := &cobra.Command{}
		cmd.Flags().String("output", c.output, "")
		s.listen(cmd)
		for i := range len(hostile) {
			if n, err := s.Write([]byte{hostile[i]}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.output, out.String(), c.want)
		}
	}
}
