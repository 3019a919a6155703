package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"segno/cli/api/history"
	"segno/cli/api/history/yamls"
)

// lineColumns is a revision among those of many objects; the time is as wide as
// timeFormat.
const lineColumns = "%-6s %-23s  %-20s %-26s %-36s %-18s %s"

// showRevisions prints revisions as they come.
func (c *client) showRevisions(ctx context.Context, params url.Values, f *historyFlags, out, notes io.Writer) error {
	head := sync.OnceFunc(func() {
		fmt.Fprintf(out, lineColumns+"\n", "SEQ", "TIME", "ACTOR", "FACT", "OBJECT", "REASON", "CHANGED")
	})
	opened := func() {
		if f.output == "table" && f.follow {
			head() // before anything happens: one sees that it waits
		}
	}
	some := false
	whole, err := c.watchLines(ctx, "history", params, opened, func(line []byte) error {
		some = true
		if f.output != "table" {
			return writeLine(out, f.output, line)
		}
		var l history.Line
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("read a revision: %w", err)
		}
		head()
		return writeRevision(out, l, f.full)
	})
	if whole && !some {
		f.tellNone(notes)
	}
	return err
}

// writeLine prints one document of several: as it came, or as YAML.
func writeLine(out io.Writer, output string, line []byte) error {
	if output == "yaml" {
		data, err := yamls.FromJSON(line)
		if err != nil {
			return fmt.Errorf("write it as YAML: %w", err)
		}
		line = append([]byte("---\n"), data...)
	}
	_, err := out.Write(line)
	return err
}

// writeRevision prints a revision of one of many objects.
func writeRevision(out io.Writer, l history.Line, full bool) error {
	l.Revision = concealOne(l.Object, l.Revision)
	facts, reasons := factsOf(l.Events)
	change := row{Revision: l.Revision}.change()
	if full {
		change = strings.TrimSpace("because of " + causeOf(l.Transaction) + "  " + cut(l.Via, viaWidth))
	} else {
		facts = tellingFacts(l.Events)
	}
	_, err := fmt.Fprintf(out, lineColumns+"\n", l.Seq.String(), l.Time.Local().Format(timeFormat), l.Actor, facts, nameOf(l.Object), reasons, change)
	if full && !l.Created {
		writeChanges(out, l.Object, l.Revision)
	}
	return err
}
