package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"segno/cli/api/history"
	"segno/cli/api/history/yamls"
	"segno/proto"
)

const timeFormat = "2006-01-02 15:04:05.000"

// factsOf joins the facts of a transaction.
func factsOf(all []history.Event) (facts, reasons string) {
	var names, whys []string
	for _, ev := range all {
		if len(names) == 0 || names[len(names)-1] != ev.Fact {
			names = append(names, ev.Fact)
		}
		if reason := reasonOf(ev); reason != "" && (len(whys) == 0 || whys[len(whys)-1] != reason) {
			whys = append(whys, reason)
		}
	}
	return strings.Join(names, ","), strings.Join(whys, ",")
}

// reasonOf is why something happened, and not once more what.
func reasonOf(ev history.Event) string {
	if ev.Reason == ev.Fact && ev.Detail != "" {
		return ev.Detail
	}
	return ev.Reason
}

func causeOf(t history.Transaction) string {
	switch {
	case t.Cause != 0:
		return t.Cause.String()
	case t.Request != "":
		return "request"
	default:
		return "-"
	}
}

func nameOf(o proto.Object) string {
	if o.Namespace == "" {
		return o.Resource + "/" + o.Name
	}
	return o.Resource + "/" + o.Namespace + "/" + o.Name
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeAs writes a value as JSON or YAML.
func writeAs(out io.Writer, format string, value any) error {
	if format == "json" {
		return writeJSON(out, value)
	}
	data, err := yamls.Marshal(value)
	if err != nil {
		return fmt.Errorf("write it as YAML: %w", err)
	}
	_, err = out.Write(data)
	return err
}

// oneOf checks a flag that takes one of a few words.
func oneOf(flag, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	choices = slices.DeleteFunc(choices, func(choice string) bool { return choice == "" })
	return fmt.Errorf("--%s %q: must be %s", flag, value, strings.Join(choices, " or "))
}
