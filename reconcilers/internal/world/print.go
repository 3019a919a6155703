package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// printer writes transactions for people, and so that the text stays the same
// when nothing that matters changes: generated names get short ones, times
// count from the start, UIDs and versions are left out.
type printer struct {
	out   strings.Builder
	start time.Time
	alias map[string]string // generated text → short
	count map[string]int    // short names handed out below a prefix
}

func newPrinter(start time.Time) *printer {
	return &printer{start: start, alias: map[string]string{}, count: map[string]int{}}
}

func (p *printer) printf(format string, args ...any) {
	p.out.WriteString(p.short(fmt.Sprintf(format, args...)))
	p.out.WriteByte('\n')
}

// short puts the short names in.
func (p *printer) short(text string) string {
	return p.replace(text, func(long, short string) (string, string) { return long, short })
}

// long puts the generated names in, for the arguments of a script.
func (p *printer) long(text string) string {
	return p.replace(text, func(long, short string) (string, string) { return short, long })
}

func (p *printer) replace(text string, pair func(long, short string) (string, string)) string {
	var pairs [][2]string
	for long, short := range p.alias {
		from, to := pair(long, short)
		pairs = append(pairs, [2]string{from, to})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var flat []string
	for _, one := range pairs {
		flat = append(flat, one[0], one[1])
	}
	return strings.NewReplacer(flat...).Replace(text)
}

// learn gives a created object's generated name a short one.
func (p *printer) learn(obj events.Object) {
	owner := metav1.GetControllerOfNoCopy(obj)
	hash := obj.GetLabels()["pod-template-hash"]
	switch {
	case p.alias[obj.GetName()] != "":
	case owner != nil && obj.GetGenerateName() != "":
		letter := "-s"
		if _, isPod := obj.(*corev1.Pod); isPod {
			letter = "-p"
		}
		p.alias[obj.GetName()] = p.numbered(p.short(owner.Name) + letter)
	case owner != nil && hash != "" && p.alias[hash] == "":
		p.alias[hash] = p.numbered("r")
	}
}

func (p *printer) numbered(prefix string) string {
	p.count[prefix]++
	return fmt.Sprintf("%s%d", prefix, p.count[prefix])
}

// transaction prints one; a refused one with its error.
func (p *printer) transaction(tx Transaction) {
	for _, key := range sortedTouched(tx) {
		if tx.Before[key] == nil && tx.After[key] != nil {
			p.learn(tx.After[key])
		}
	}
	for _, action := range flatten(tx.Cmd.Action) {
		if create, ok := action.(events.Create); ok && tx.Err != nil {
			p.learn(create.Object)
		}
	}
	if tx.Stream == proto.StreamNotes && tx.Err == nil {
		p.notes(tx)
		return
	}
	head := fmt.Sprintf("#%d %s", tx.Seq, tx.Cmd.Actor)
	if tx.Err != nil {
		head = fmt.Sprintf("refused %s", tx.Cmd.Actor)
	}
	if tx.Stream != proto.StreamEvents {
		head = tx.Stream + " " + head
	}
	switch cause := tx.Cmd.Cause; {
	case cause.Seq != 0:
		head += fmt.Sprintf(" because of #%d", cause.Seq)
	case cause.Request != "":
		head += " because of " + cause.Request
	}
	if tx.Cmd.Reason != "" {
		head += ": " + tx.Cmd.Reason
	}
	p.printf("%s", head)
	if tx.Err != nil {
		for _, key := range reconcilers.Targets(tx.Cmd.Action) {
			p.printf("    %T %s", tx.Cmd.Action, key)
		}
		p.printf("    ✗ %v", tx.Err)
		return
	}
	for _, key := range sortedTouched(tx) {
		p.object(tx, key)
	}
}

func sortedTouched(tx Transaction) []proto.ObjectKey {
	var keys []proto.ObjectKey
	for _, ev := range tx.Events {
		if !slices.Contains(keys, ev.Key) {
			keys = append(keys, ev.Key)
		}
	}
	return keys
}

// object prints what became of one object of a transaction.
func (p *printer) object(tx Transaction, key proto.ObjectKey) {
	before, after := tx.Before[key], tx.After[key]
	switch {
	case before == nil:
		p.printf("    + %s", strings.TrimSpace(key.String()+" "+strings.Join(p.leaves(nil, after, chosen(after)), ", ")))
	case after == nil:
		p.printf("    - %s", key)
	default:
		p.printf("    ~ %s %s", key, strings.Join(p.leaves(before, after, shownOnChange), ", "))
	}
}

func (p *printer) notes(tx Transaction) {
	var lines []string
	gone := 0
	for _, key := range sortedTouched(tx) {
		note, ok := tx.After[key].(*corev1.Event)
		if !ok {
			gone++
			continue
		}
		times := ""
		if note.Count > 1 {
			times = fmt.Sprintf(" (×%d)", note.Count)
		}
		about := strings.ToLower(note.InvolvedObject.Kind) + "/" + note.InvolvedObject.Name
		lines = append(lines, p.short(fmt.Sprintf("    ! %s %s %s: %s%s", about, note.Type, note.Reason, note.Message, times)))
	}
	if gone > 0 {
		lines = append(lines, fmt.Sprintf("    - %d notes", gone))
	}
	slices.Sort(lines)
	for _, line := range lines {
		p.printf("%s", line)
	}
}

// chosen tells which leaves of a created object a control loop chooses, beside
// those that it copies.
func chosen(obj events.Object) func(path string) bool {
	if _, isPod := obj.(*corev1.Pod); isPod {
		return func(string) bool { return false }
	}
	return func(path string) bool {
		for _, prefix := range []string{
			"metadata.labels", "metadata.annotations", "metadata.finalizers",
			"spec.replicas", "subsets", "addressType", "endpoints", "ports",
		} {
			if strings.HasPrefix(path, prefix) {
				return shownOnChange(path)
			}
		}
		return false
	}
}

func shownOnChange(path string) bool {
	for _, hidden := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "apiVersion", "blockOwnerDeletion", "controller"} {
		if path == hidden || strings.HasSuffix(path, "."+hidden) {
			return false
		}
	}
	return !strings.HasSuffix(path, "].type") // it is the element's name
}

// leaves lists what differs between two objects, one "path before→after" each.
func (p *printer) leaves(before, after events.Object, shown func(path string) bool) []string {
	was, is := p.flat(before), p.flat(after)
	var paths []string
	for path := range was {
		paths = append(paths, path)
	}
	for path := range is {
		if _, both := was[path]; !both {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	var out []string
	for _, path := range paths {
		old, had := was[path]
		now, has := is[path]
		switch {
		case !shown(path) || (had && has && old == now):
		case !had:
			out = append(out, path+"="+now)
		case !has:
			out = append(out, path+" gone")
		default:
			out = append(out, path+" "+old+"→"+now)
		}
	}
	return out
}

// flat makes an object a set of leaves by path.
func (p *printer) flat(obj events.Object) map[string]string {
	leaves := map[string]string{}
	if obj == nil {
		return leaves
	}
	data, err := json.Marshal(obj)
	if err != nil {
		panic(err) // API objects have a JSON form
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		panic(err)
	}
	p.flatten(leaves, "", tree)
	return leaves
}

func (p *printer) flatten(leaves map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			p.flatten(leaves, strings.TrimPrefix(path+"."+name, "."), child)
		}
	case []any:
		for i, child := range v {
			p.flatten(leaves, path+"["+elementName(i, child)+"]", child)
		}
	case nil:
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			v = "T+" + at.Sub(p.start).String()
		}
		leaves[path] = v
	default:
		leaves[path] = fmt.Sprint(v)
	}
}

// elementName tells the elements of a list apart by what they call themselves.
func elementName(i int, element any) string {
	if fields, ok := element.(map[string]any); ok {
		for _, name := range []string{"type", "name", "key", "ip"} {
			if text, ok := fields[name].(string); ok {
				if effect, ok := fields["effect"].(string); ok {
					text += ":" + effect
				}
				return text
			}
		}
	}
	return fmt.Sprint(i)
}
