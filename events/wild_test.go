package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// TestWildPatches makes patches out of the words that patches are made of, in
// any order and with values of any type.
func TestWildPatches(t *testing.T) {
	c := newCluster(t)
	key := c.pod("p")
	applied := 0
	for seed := range uint64(6000) {
		w := wild{rand.New(rand.NewPCG(seed, 2))}
		patch := Patch{Key: key, Type: types.StrategicMergePatchType, Data: w.patch(), Validation: ValidateIgnore}
		switch seed % 4 {
		case 1:
			patch.Type = types.MergePatchType
		case 2:
			patch.Subresource = SubStatus
		case 3:
			patch.Type, patch.Data = types.JSONPatchType, w.operations()
		}
		d, err := Decide(c.table, c, Command{Action: patch}, c.at)
		if status := (*apierrors.StatusError)(nil); err != nil && !errors.As(err, &status) {
			t.Fatalf("seed %d: %s: %v", seed, patch.Data, err)
		}
		if err == nil && len(d.Events) > 0 {
			applied++
		}
	}
	if applied < 300 {
		t.Errorf("only %d of the patches changed anything: too wild to test much", applied)
	}
}

type wild struct{ *rand.Rand }

var wildKeys = []string{
	"$patch", "$retainKeys", "$setElementOrder/containers", "$setElementOrder/finalizers", "$setElementOrder/conditions",
	"$deleteFromPrimitiveList/finalizers", "$deleteFromPrimitiveList/containers", "name", "image", "env", "ports", "containerPort", "protocol",
	"labels", "annotations", "finalizers", "ownerReferences", "uid", "type", "status", "tolerations", "volumes", "emptyDir", "hostPath",
	"containers", "initContainers", "conditions", "podIPs", "ip", "nodeSelector", "resources", "limits", "cpu", "restartPolicy", "value", "x",
}

var wildWords = []string{"replace", "delete", "merge", "p", "c", "Ready", "True", "example.com/f", "80", "1Gi", "", "default"}

func (w wild) word() string { return wildWords[w.IntN(len(wildWords))] }

func (w wild) patch() []byte {
	doc := map[string]any{}
	for _, top := range []string{"metadata", "spec", "status"} {
		if w.IntN(2) == 0 {
			doc[top] = w.object(4)
		}
	}
	if w.IntN(20) == 0 {
		doc[wildKeys[w.IntN(6)]] = w.value(2)
	}
	data, _ := json.Marshal(doc)
	return data
}

func (w wild) object(depth int) map[string]any {
	out := map[string]any{}
	for range w.IntN(4) {
		key := wildKeys[w.IntN(len(wildKeys))]
		out[key] = w.fitting(key, depth-1)
	}
	if w.IntN(2) == 0 {
		out["name"] = w.word()
	}
	return out
}

// fitting is most often a value that the key can have.
func (w wild) fitting(key string, depth int) any {
	if w.IntN(8) == 0 || depth <= 0 {
		return w.value(depth)
	}
	switch key {
	case "$patch", "name", "image", "protocol", "uid", "type", "ip", "cpu", "restartPolicy", "value":
		return w.word()
	case "containerPort":
		return w.IntN(100)
	case "labels", "annotations", "nodeSelector":
		return map[string]any{w.word(): w.word()}
	case "finalizers", "$deleteFromPrimitiveList/finalizers", "$setElementOrder/finalizers", "$retainKeys":
		return []any{w.word()}
	case "containers", "initContainers", "env", "ports", "volumes", "tolerations", "conditions", "ownerReferences", "podIPs",
		"$setElementOrder/containers", "$setElementOrder/conditions", "$deleteFromPrimitiveList/containers":
		list := []any{}
		for range w.IntN(3) {
			list = append(list, w.object(depth))
		}
		return list
	default:
		return w.object(depth)
	}
}

func (w wild) value(depth int) any {
	kind := w.IntN(10)
	if depth <= 0 && kind < 5 {
		kind += 5
	}
	switch kind {
	case 0, 1:
		return w.object(depth)
	case 2, 3, 4:
		list := []any{}
		for range w.IntN(4) {
			list = append(list, w.value(depth-1))
		}
		return list
	case 5:
		return nil
	case 6:
		return w.IntN(3) - 1
	case 7:
		return w.IntN(2) == 0
	default:
		return w.word()
	}
}

func (w wild) operations() []byte {
	paths := []string{
		"", "/", "/metadata", "/metadata/labels", "/metadata/labels/a", "/metadata/finalizers", "/metadata/finalizers/-", "/spec", "/spec/containers",
		"/spec/containers/0", "/spec/containers/-", "/spec/containers/0/env", "/spec/containers/0/name", "/spec/nodeName", "/status/phase", "/x~1y/~0",
	}
	var ops []any
	for range 1 + w.IntN(4) {
		op := map[string]any{
			"op": []string{"add", "remove", "replace", "move", "copy", "test"}[w.IntN(6)], "path": paths[w.IntN(len(paths))],
			"from": paths[w.IntN(len(paths))], "value": w.value(3),
		}
		if w.IntN(10) == 0 {
			delete(op, []string{"op", "path", "from", "value"}[w.IntN(4)])
		}
		ops = append(ops, op)
	}
	data, err := json.Marshal(ops)
	if err != nil {
		panic(fmt.Sprint(err)) // maps and lists of plain values
	}
	return data
}
