package commands

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"segno/cli/api/history"
)

// Weights of fields: what people care for comes first. ofNoise comes only when
// there is nothing else.
const (
	ofIntent = iota // what somebody asked for, and where it went
	ofSpec          // the rest of what is wanted
	ofLabels        // who it belongs to
	ofTrouble
	ofCondition
	ofCount
	ofRest
	ofNoise
)

// weights are tried in order; the first pattern that a path matches counts.
var weights = []struct {
	path   *regexp.Regexp
	weight int
}{
	{regexp.MustCompile(`(Time|At|[.]message|[.]observedGeneration|[.]uid|[.]terminatingReplicas)$`), ofNoise},
	{regexp.MustCompile(`^metadata[.]annotations\[(deployment[.]kubernetes[.]io/|kubectl[.]kubernetes[.]io/last-applied)`), ofNoise},
	{regexp.MustCompile(`^(metadata[.](name|namespace|creationTimestamp|generateName|ownerReferences|generation)\b|apiVersion$|kind$)`), ofNoise},
	{regexp.MustCompile(`^status[.]conditions\[[^]]*\][.](type|reason)$`), ofNoise},
	{regexp.MustCompile(`^status[.].*[.](name|imageID|containerID|ip)$`), ofNoise},
	{regexp.MustCompile(`^spec[.](replicas|nodeName|paused|unschedulable|type)$|^spec[.].*[.]image$|^(data|stringData)\b|^status[.]phase$`), ofIntent},
	{regexp.MustCompile(`^spec[.](progressDeadlineSeconds|revisionHistoryLimit|strategy|minReadySeconds|selector)\b|^spec[.]template[.]metadata\b`), ofRest},
	{regexp.MustCompile(`[.](terminationMessagePath|terminationMessagePolicy|imagePullPolicy|dnsPolicy|restartPolicy|schedulerName|securityContext|terminationGracePeriodSeconds|name|protocol)$`), ofRest},
	{regexp.MustCompile(`^metadata[.](labels|annotations|finalizers)\b`), ofLabels},
	{regexp.MustCompile(`^status[.].*[.](restartCount|exitCode|reason)$`), ofTrouble},
	{regexp.MustCompile(`^status[.]conditions\[(Ready|Available)\][.]status$`), ofTrouble},
	{regexp.MustCompile(`^status[.]conditions\[[^]]*\][.]status$`), ofCondition},
	{regexp.MustCompile(`^status[.]\w*[rR]eplicas$`), ofCount},
	{regexp.MustCompile(`^status\b`), ofRest},
}

func weightOf(path string) int {
	for _, w := range weights {
		if w.path.MatchString(path) {
			return w.weight
		}
	}
	return ofSpec
}

// weigh ranks a change; a count that begins at nothing is no news.
func weigh(change history.Change) int {
	if weight := weightOf(change.Path); weight != ofTrouble || change.Old != nil || string(change.New) != "0" {
		return weight
	}
	return ofRest
}

// summary shows the most important of the changes on one line, and counts the
// others.
func summary(changes []history.Change, most int) string {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b history.Change) int { return cmp.Compare(weigh(a), weigh(b)) })
	var shown []string
	for _, change := range sorted {
		if len(shown) == most || (len(shown) > 0 && weigh(change) == ofNoise) {
			break
		}
		shown = append(shown, brief(change))
	}
	if left := len(changes) - len(shown); left > 0 {
		shown = append(shown, fmt.Sprintf("+%d more", left))
	}
	return strings.Join(shown, ", ")
}

// brief is a field with its old and new value, as short as can be.
func brief(change history.Change) string {
	path := "." + strings.TrimSuffix(change.Path, "].status")
	if path != "."+change.Path {
		path += "]"
	}
	switch {
	case change.Old == nil:
		return path + " " + plain(change.New)
	case change.New == nil:
		return path + " " + plain(change.Old) + " → none"
	default:
		return path + " " + plain(change.Old) + " → " + plain(change.New)
	}
}

// plain is a value without the quotes of JSON, cut to a few words.
func plain(value json.RawMessage) string {
	text := string(value)
	var unquoted string
	if json.Unmarshal(value, &unquoted) == nil && unquoted != "" && !strings.ContainsAny(unquoted, "\n\t") {
		text = unquoted
	}
	return cut(text, 60)
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// together are the changes of several revisions in a row as one: what changed
// back is no change.
func together(earlier, later []history.Change) []history.Change {
	out := slices.Clone(earlier)
	for _, change := range later {
		i := slices.IndexFunc(out, func(c history.Change) bool { return c.Path == change.Path })
		if i < 0 {
			out = append(out, change)
			continue
		}
		out[i].New = change.New
	}
	return slices.DeleteFunc(out, func(c history.Change) bool { return string(c.Old) == string(c.New) })
}
