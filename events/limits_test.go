package events

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

func big(name string, size int) Create {
	return Create{Key: configMaps.Key("default", name), Object: &corev1.ConfigMap{Data: map[string]string{"k": strings.Repeat("x", size)}}, UID: types.UID(name)}
}

func TestAnObjectHasAtMostOneAndAHalfMiB(t *testing.T) {
	c := newCluster(t)
	c.must(big("fits", proto.MaxObject-1000))
	for name, action := range map[string]Action{
		"create": big("large", proto.MaxObject),
		"patch":  Patch{Key: configMaps.Key("default", "fits"), Type: types.MergePatchType, Data: []byte(`{"data":{"l":"` + strings.Repeat("y", 2000) + `"}}`)},
		"update": Update{Key: configMaps.Key("default", "fits"), Object: big("fits", proto.MaxObject).Object},
	} {
		_, err := c.do(action)
		if !apierrors.IsRequestEntityTooLargeError(err) || !strings.Contains(err.Error(), "at most 1572864 are allowed") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestE2ATransactionFitsOneMessage(t *testing.T) {
	c := newCluster(t)
	var batch Batch
	for i := range 3 {
		batch = append(batch, big(fmt.Sprint("b", i), proto.MaxObject-1000))
	}
	if _, err := c.do(batch); !apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("got %v", err)
	}
	d := c.must(batch[:2])
	if size := len(proto.Encode(&proto.Envelope{At: c.at, Events: d.Events})); size > proto.MaxEnvelope {
		t.Errorf("%d bytes", size)
	}
}

func TestAJSONPatchHasAtMostTenThousandOperations(t *testing.T) {
	c := newCluster(t)
	c.must(big("a", 10))
	ops := "[" + strings.Repeat(`{"op":"test","path":"/data/k","value":"xxxxxxxxxx"},`, maxOperations) + `{"op":"test","path":"/data/k","value":"xxxxxxxxxx"}]`
	_, err := c.do(Patch{Key: configMaps.Key("default", "a"), Type: types.JSONPatchType, Data: []byte(ops)})
	if !apierrors.IsRequestEntityTooLargeError(err) || !strings.Contains(err.Error(), "maximum operations in a JSON patch is 10000, got 10001") {
		t.Errorf("got %v", err)
	}
}

func TestABodyOfManySmallPartsIsRefused(t *testing.T) {
	c := newCluster(t)
	key := c.pod("p")
	many := func(part string, n int) []byte {
		return []byte(`{"spec":{"containers":[` + strings.Repeat(part+",", n) + part + `]}}`)
	}
	// Two bytes a container: field 2 (spec) holds nothing but empty fields 2 (containers).
	containers := bytes.Repeat([]byte{0x12, 0}, maxParts+1)
	body := append(append([]byte{0x12}, binary.AppendUvarint(nil, uint64(len(containers)))...), containers...)
	if _, _, err := DecodeBody(testTable().Of(pods), MediaProtobuf, protobufBody(t, "v1", "Pod", body), ValidateStrict); !apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("protobuf: %v", err)
	}
	if err := Unmarshal(body[:len(body)-len(containers)/2], &corev1.Pod{}); err == nil || apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("protobuf cut short: %v", err)
	}
	for name, data := range map[string][]byte{"objects": many("{}", maxParts), "lists": many("[]", maxParts)} {
		_, _, err := DecodeBody(c.table.Of(pods), MediaJSON, data, ValidateIgnore)
		if !apierrors.IsRequestEntityTooLargeError(err) {
			t.Errorf("body of %s: %v", name, err)
		}
		_, _, err = DecodeBody(c.table.Of(pods), MediaYAML, data, ValidateIgnore)
		if !apierrors.IsRequestEntityTooLargeError(err) {
			t.Errorf("YAML of %s: %v", name, err)
		}
		for _, how := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType, types.JSONPatchType} {
			if _, err = c.do(Patch{Key: key, Type: how, Data: data}); !apierrors.IsRequestEntityTooLargeError(err) {
				t.Errorf("%s of %s: %v", how, name, err)
			}
		}
	}
	text := strings.Repeat(`{\"[`, maxParts) // in a string they are no parts
	if _, _, err := DecodeBody(c.table.Of(configMaps), MediaJSON, []byte(`{"data":{"k":"`+text+`"}}`), ValidateStrict); err != nil {
		t.Errorf("a long text: %v", err)
	}
}

func TestWhatIsNoAction(t *testing.T) {
	c := newCluster(t)
	if _, err := Decide(c.table, c, Command{}, c.at); err == nil {
		t.Error("no action was decided")
	}
	if _, err := c.do(Create{Key: configMaps.Key("default", "a")}); !apierrors.IsBadRequest(err) {
		t.Errorf("create of nothing: %v", err)
	}
	if _, err := c.do(Update{Key: configMaps.Key("default", "a"), CreateUID: "u"}); !apierrors.IsNotFound(err) {
		t.Errorf("put of nothing: %v", err)
	}
	if d, err := c.do(Batch{}); err != nil || len(d.Events) != 0 {
		t.Errorf("empty batch: %v, %v", d, err)
	}
}

// broken is a view that cannot be read.
type broken struct{ View }

var errDisk = errors.New("the disk is on fire")

func (broken) Get(proto.ObjectKey) (Object, error) { return nil, errDisk }
func (broken) List(Query) (Page, error)            { return Page{}, errDisk }

func TestAViewThatFailsIsNoRefusal(t *testing.T) {
	c := newCluster(t)
	key := pods.Key("default", "p")
	for _, action := range []Action{
		Create{Key: key, Object: newPod("p"), UID: "u"}, Update{Key: key, Object: newPod("p")}, Patch{Key: key}, Delete{Key: key},
		Bind{Key: key, Node: "n"}, Batch{Delete{Key: key}},
	} {
		_, err := Decide(c.table, broken{c}, Command{Action: action}, c.at)
		if status := apierrors.APIStatus(nil); !errors.Is(err, errDisk) || errors.As(err, &status) {
			t.Errorf("%s: got %v", verbOf(action), err)
		}
	}
	o := NewOverlay(c.table, broken{c})
	o.Push(9, Decision{Touched: []Touched{{Key: key}}})
	if _, err := o.List(Query{Resource: pods}); !errors.Is(err, errDisk) {
		t.Errorf("list: %v", err)
	}
}

func TestARuleThatPanicsRefusesItsCommandOnly(t *testing.T) {
	c := newCluster(t)
	kind := *c.table.Of(configMaps)
	kind.Validate = func(obj Object) field.ErrorList { panic("no rule for " + obj.GetName()) }
	table := NewTable(c.table.Of(namespaces), &kind)
	_, err := Decide(table, c, Command{Action: big("a", 1)}, c.at)
	if err == nil || !strings.Contains(err.Error(), "decide create configmaps/default/a: panic: no rule for a") || !strings.Contains(err.Error(), "limits_test.go") {
		t.Errorf("got %v", err)
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		t.Error("a mistake of ours is not the user's")
	}
}

// FuzzPatch feeds patches to a pod: nothing panics, a refusal is a Status, and
// every decision keeps the laws.
func FuzzPatch(f *testing.F) {
	f.Add(byte(0), byte(0), []byte(`{"metadata":{"labels":{"a":null}},"spec":{"containers":[{"name":"c","image":"x"}]}}`))
	f.Add(byte(1), byte(0), []byte(`{"spec":{"containers":[{"$patch":"delete","name":"c"},{"name":"d"}],"$setElementOrder/containers":[{"name":"d"}]}}`))
	f.Add(byte(1), byte(1), []byte(`{"status":{"$retainKeys":["phase"],"conditions":[{"type":"Ready","$patch":"replace"}]}}`))
	f.Add(byte(1), byte(0), []byte(`{"$patch":"delete"}`))
	f.Add(byte(1), byte(0), []byte(`{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":null},"spec":{"tolerations":{"$patch":"replace"}}}`))
	f.Add(byte(2), byte(0), []byte(`[{"op":"copy","from":"","path":"/a/-"},{"op":"move","from":"/spec","path":"/spec/x"},{"op":"add","path":"/spec/containers/0","value":{}}]`))
	f.Add(byte(2), byte(1), []byte(`[{"op":"replace","path":"","value":{"status":{"phase":"x"}}},{"op":"remove","path":"/status/phase/x"}]`))
	f.Fuzz(func(t *testing.T, how, sub byte, data []byte) {
		c := newCluster(t)
		key := c.pod("p")
		patch := Patch{
			Key: key, Data: data, Validation: ValidateWarn,
			Type:        []types.PatchType{types.MergePatchType, types.StrategicMergePatchType, types.JSONPatchType}[how%3],
			Subresource: []string{"", SubStatus}[sub%2],
		}
		d, err := lawfully(t, c, Command{Actor: "user:fuzz", Action: patch})
		if status := (*apierrors.StatusError)(nil); err != nil && !errors.As(err, &status) {
			t.Fatalf("%v is not a Status", err)
		}
		for _, e := range d.Events {
			if patch.Subresource == SubStatus && e.Section != proto.SectionStatus || patch.Subresource == "" && e.Section == proto.SectionStatus {
				t.Fatalf("a patch of %q wrote section %d", patch.Subresource, e.Section)
			}
		}
		if err == nil && len(d.Events) > 0 {
			if again, err := c.do(patch); err == nil && how%3 == 0 && len(again.Events) > 0 && !strings.Contains(string(data), "inalizers") {
				t.Fatalf("a merge patch applied twice changes twice: %s", cmp.Diff(d.Events, again.Events))
			}
		}
	})
}
