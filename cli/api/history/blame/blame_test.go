package blame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/fields"
	"segno/events/kinds"
	"segno/proto"
)

var (
	table = kinds.Table()
	kind  = table.Of(proto.Resource{Group: "apps", Name: "deployments"})
	key   = kind.Resource.Key("default", "web")
)

// past is the versions of one object, as a fold would keep them, by sequence;
// gaps are transactions of others.
type past struct {
	t     *testing.T
	made  []history.Version
	asked int // how many versions were read
}

// write adds a version; deleted ends the object.
func (p *past) write(seq proto.Seq, uid string, d *appsv1.Deployment, deleted bool) {
	p.t.Helper()
	sections, err := kind.Encode(d)
	if err != nil {
		p.t.Fatal(err)
	}
	rec := &events.Record{
		Key: key, UID: uid, Seq: seq, Created: seq, Encoding: proto.EncodingProtobuf, Deleted: deleted,
		Spec: sections.Spec, Status: sections.Status, SpecSeq: seq, StatusSeq: seq, At: time.Unix(int64(seq), 0).UTC(),
	}
	env := &proto.Envelope{Seq: seq, At: rec.At, Actor: proto.Actor(fmt.Sprintf("user:%d", seq)), Via: "test"}
	if n := len(p.made); n > 0 && p.made[n-1].Record.UID == uid {
		before := p.made[n-1].Record
		rec.Created = before.Created
		if bytes.Equal(before.Spec, rec.Spec) {
			rec.SpecSeq = before.SpecSeq
		}
		if bytes.Equal(before.Status, rec.Status) {
			rec.StatusSeq = before.StatusSeq
		}
	}
	if rec.SpecSeq == seq {
		env.Events = append(env.Events, proto.Event{Kind: "Specified", Key: key, Section: proto.SectionSpec})
	}
	if rec.StatusSeq == seq {
		env.Events = append(env.Events, proto.Event{Kind: "Observed", Key: key, Section: proto.SectionStatus})
	}
	p.made = append(p.made, history.Version{Record: rec, Envelope: env})
}

func (p *past) log() Log {
	return Log{Table: table, Version: func(last proto.Seq) (*history.Version, error) {
		p.asked++
		for i := len(p.made) - 1; i >= 0; i-- {
			if p.made[i].Record.Seq <= last {
				return &p.made[i], nil
			}
		}
		return nil, nil
	}, Envelope: func(seq proto.Seq) (*proto.Envelope, error) {
		for i := range p.made {
			if p.made[i].Envelope.Seq == seq {
				return p.made[i].Envelope, nil
			}
		}
		return nil, nil
	}}
}

// randomChange alters a few fields, of spec or status, or none.
func randomChange(rng *rand.Rand, d *appsv1.Deployment) {
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	switch rng.IntN(9) {
	case 0:
		n := int32(rng.IntN(3))
		d.Spec.Replicas = &n
	case 1:
		d.Labels = map[string]string{pick("a", "x.y/z"): pick("1", "2"), "b": "1"}
	case 2:
		d.Spec.Template.Spec.Containers = nil
		for _, name := range []string{"web", "side", "log"} {
			if rng.IntN(2) == 0 {
				d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{
					Name: name, Image: pick("i:1", "i:2"), Args: []string{pick("-a", "-b: 1\n c")},
					Ports: []corev1.ContainerPort{{ContainerPort: int32(80 + rng.IntN(2))}},
				})
			}
		}
	case 3:
		d.Finalizers = append([]string(nil), strings.Fields(pick("", "f/a", "f/a f/b"))...)
	case 4:
		d.Annotations = map[string]string{"note": pick("one\ntwo\n", "", "true", "# no comment")}
	case 5, 6:
		d.Status.Replicas = int32(rng.IntN(3))
	case 7:
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: "Available", Status: corev1.ConditionStatus(pick("True", "False"))}}
	}
}

// naive attributes fields from the first version on.
func (p *past) naive() map[string]proto.Seq {
	out, values, uid := map[string]proto.Seq{}, map[string]string{}, ""
	for _, v := range p.made {
		if v.Record.Deleted {
			continue
		}
		if v.Record.UID != uid {
			out, values, uid = map[string]proto.Seq{}, map[string]string{}, v.Record.UID
		}
		obj, err := table.Decode(v.Record)
		if err != nil {
			p.t.Fatal(err)
		}
		value, err := fields.Of(obj)
		if err != nil {
			p.t.Fatal(err)
		}
		now, is := map[string]proto.Seq{}, map[string]string{}
		fields.Tree(value).Leaves(func(leaf *fields.Node, _ []*fields.Node) {
			text := fmt.Sprintf("%T %v", leaf.Value, leaf.Value)
			is[leaf.Path], now[leaf.Path] = text, v.Record.Seq
			if had, ok := values[leaf.Path]; ok && had == text {
				now[leaf.Path] = out[leaf.Path]
			}
		})
		out, values = now, is
	}
	return out
}

// TestE5BlameIsWhatANaiveWalkSays: over random histories with deletions and
// re-creations, each field has the transaction that gave it its value, and the
// YAML beside it is the object's.
func TestE5BlameIsWhatANaiveWalkSays(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		p, d, seq, uid := &past{t: t}, &appsv1.Deployment{}, proto.Seq(0), 0
		d.Name, d.Namespace = "web", "default"
		for range 1 + rng.IntN(40) {
			seq += proto.Seq(1 + rng.IntN(3))
			randomChange(rng, d)
			if rng.IntN(12) == 0 {
				p.write(seq, fmt.Sprint(uid), d, true)
				uid, d = uid+1, &appsv1.Deployment{ObjectMeta: d.ObjectMeta}
				seq++
			}
			p.write(seq, fmt.Sprint(uid), d.DeepCopy(), false)
		}
		found, err := Of(p.log(), p.made[len(p.made)-1])
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]proto.Seq{}
		for _, field := range found.Fields {
			got[field.Path] = field.Seq
			if want := proto.Actor(fmt.Sprintf("user:%d", field.Seq)); field.Actor != want || field.Fact == "" || field.Earlier {
				t.Errorf("seed %d: %+v, want %s", seed, field, want)
			}
		}
		if diff := cmp.Diff(p.naive(), got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		checkLines(t, found)
	}
}

func checkLines(t *testing.T, found *Blame) {
	t.Helper()
	lines, err := found.Lines(nil)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line.Text + "\n")
	}
	want, err := json.Marshal(found.Value)
	if err != nil {
		t.Fatal(err)
	}
	wantYAML, err := yaml.JSONToYAML(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wantYAML), text.String()); diff != "" {
		t.Fatal(diff)
	}
}

// TestE5BlameStopsWhenAllIsKnown: versions that wrote another section, or that lie
// behind the last origin, are not read.
func TestE5BlameStopsWhenAllIsKnown(t *testing.T) {
	p, d := &past{t: t}, &appsv1.Deployment{}
	d.Name, d.Namespace = "web", "default"
	p.write(1, "u", d.DeepCopy(), false)
	for seq := proto.Seq(2); seq <= 500; seq++ {
		d.Status.Replicas = int32(seq)
		p.write(seq, "u", d.DeepCopy(), false)
	}
	if _, err := Of(p.log(), p.made[len(p.made)-1]); err != nil {
		t.Fatal(err)
	}
	if p.asked > 1 {
		t.Errorf("%d versions were read, want the one before the newest status", p.asked)
	}
}

// TestE5BlameOfALogThatBeginsLater says that a field may be older.
func TestE5BlameOfALogThatBeginsLater(t *testing.T) {
	p, d := &past{t: t}, &appsv1.Deployment{}
	d.Name, d.Namespace = "web", "default"
	p.write(1, "u", d.DeepCopy(), false)
	d.Labels = map[string]string{"a": "1"}
	p.write(5, "u", d.DeepCopy(), false)
	p.made = p.made[1:]
	found, err := Of(p.log(), p.made[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range found.Fields {
		if !field.Earlier || field.Seq > 5 {
			t.Errorf("%+v", field)
		}
	}
}

// TestE5ManagersAreThoseOfManagedFields: by name, by the keys of an element, as a
// whole; of several the last one.
func TestE5ManagersAreThoseOfManagedFields(t *testing.T) {
	at := func(second int64) *metav1.Time { at := metav1.Unix(second, 0); return &at }
	owned := func(text string) *metav1.FieldsV1 { return &metav1.FieldsV1{Raw: []byte(text)} }
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", Labels: map[string]string{"x.y/z": "1"}, ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "old", Time: at(1), FieldsV1: owned(`{"f:spec":{"f:replicas":{}}}`)},
		{Manager: "new", Time: at(2), FieldsV1: owned(`{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{}}}}}}}`)},
		{Manager: "labels", Time: at(3), FieldsV1: owned(`{"f:metadata":{"f:labels":{"f:x.y/z":{}}},"f:spec":{"f:selector":{}}}`)},
		{Manager: "scaler", Time: at(4), Subresource: "status", FieldsV1: owned(`{"f:spec":{"f:replicas":{}},"f:status":{"f:replicas":{}}}`)},
		{Manager: "broken", Time: at(5), FieldsV1: owned(`{"f:spec":{"f:replicas":1}}`)},
	}}}
	n := int32(2)
	d.Spec.Replicas, d.Status.Replicas = &n, 2
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "i"}, {Name: "side", Image: "i"}}
	p := &past{t: t}
	p.write(1, "u", d, false)
	found, err := Of(p.log(), p.made[0])
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, field := range found.Fields {
		if field.Manager != "" {
			got[field.Path] = field.Manager
		}
	}
	want := map[string]string{
		"spec.replicas": "new", "spec.template.spec.containers[web].image": "new", "metadata.labels[x.y/z]": "labels",
		"spec.selector.matchLabels.a": "labels", "status.replicas": "scaler",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
