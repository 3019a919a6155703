package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"segno/events"
	"segno/proto"
)

// line carries out one line of a script:
//
//	apply FILE            create or update what the file says, as a person
//	patch KEY JSON        merge-patch an object, or with "status" before KEY its status
//	delete KEY [POLICY]   POLICY: Background, Foreground, Orphan
//	forbid RESOURCE       refuse creations of the resource; "forbid -" ends it
//	advance DURATION      let time pass
//	kubelet [POD…]        play the nodes: start bound pods, end terminating ones
//	kubelet-of NODE       the same for one node alone
//	unready POD…          pods stop serving
//	finish PHASE POD…     pods end with the phase
//	beat NODE…            nodes renew their leases
//	beating NODE DURATION a node renews its lease every 10 s while time passes
//	pods                  print the pods
//	show KEY PREFIX…      print the leaves of an object below the prefixes
func (pl *player) line(words []string) {
	args := words[1:]
	switch words[0] {
	case "apply":
		pl.apply(args[0])
	case "patch":
		pl.patch(args)
	case "delete":
		pl.delete(args)
	case "forbid":
		pl.forbid(args[0])
	case "advance":
		d, err := time.ParseDuration(args[0])
		pl.must(err)
		pl.advance(d)
	case "kubelet":
		pl.kubelet(args)
	case "kubelet-of":
		pl.kubeletOf(args[0])
	case "unready":
		pl.eachPod(args, func(pod *corev1.Pod) { setReady(pod, false) })
	case "finish":
		pl.eachPod(args[1:], func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPhase(args[0]); setReady(pod, false) })
	case "beat":
		pl.beat(args)
	case "beating":
		d, err := time.ParseDuration(args[1])
		pl.must(err)
		for ; d > 0; d -= heartbeat {
			pl.beat(args[:1])
			pl.advance(min(d, heartbeat))
		}
	case "pods":
		pl.pods()
	case "show":
		pl.show(args)
	default:
		pl.t.Fatalf("script: no such line: %s", strings.Join(words, " "))
	}
}

// heartbeat is how often a node renews its lease.
const heartbeat = 10 * time.Second

func (pl *player) must(err error) {
	pl.t.Helper()
	if err != nil {
		pl.t.Fatal(err)
	}
}

// submit sends a command from outside; what is wrong with it is printed.
func (pl *player) submit(actor proto.Actor, action events.Action) {
	request := fmt.Sprintf("request-%d", pl.w.View().Seq())
	_, err := pl.w.Submit(context.Background(), events.Command{
		Actor: actor, Correlation: request, Action: action,
	})
	var status apierrors.APIStatus
	if err != nil && !errors.As(err, &status) {
		pl.t.Fatal(err)
	}
}

// ofObject stands in a file for the UID of an object that exists by then.
var ofObject = regexp.MustCompile(`UID\(([^)]*)\)`)

// apply creates or updates the objects of a file.
func (pl *player) apply(name string) {
	data, ok := pl.files[name]
	if !ok {
		pl.t.Fatalf("script: no file %s", name)
	}
	data = ofObject.ReplaceAllFunc(data, func(match []byte) []byte {
		obj, err := pl.w.View().Get(pl.key(string(ofObject.FindSubmatch(match)[1])))
		pl.must(err)
		if obj == nil {
			return match
		}
		return []byte(obj.GetUID())
	})
	docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 1024)
	for {
		var raw json.RawMessage
		err := docs.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return
		}
		pl.must(err)
		var meta metav1.TypeMeta
		pl.must(json.Unmarshal(raw, &meta))
		kind := pl.w.Table.ForKind(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
		if kind == nil {
			pl.t.Fatalf("%s: no kind %s %s", name, meta.APIVersion, meta.Kind)
		}
		obj := kind.New()
		pl.must(json.Unmarshal(raw, obj))
		if kind.Namespaced && obj.GetNamespace() == "" {
			obj.SetNamespace(metav1.NamespaceDefault)
		}
		pl.put(kind, obj, raw)
	}
}

// put creates or updates one object; a status that the file gives is set too.
func (pl *player) put(kind *events.Kind, obj events.Object, raw []byte) {
	key := kind.KeyOf(obj)
	pl.submit("user:ada", events.Update{Key: key, Object: obj, CreateUID: pl.w.uid(key)})
	var given struct {
		Status json.RawMessage `json:"status,omitempty"`
	}
	pl.must(json.Unmarshal(raw, &given))
	if len(given.Status) == 0 {
		return
	}
	data, err := json.Marshal(given)
	pl.must(err)
	pl.submit("node:any", events.Patch{
		Key: key, Subresource: events.SubStatus, Type: types.MergePatchType, Data: data,
	})
}

// key reads "deployments.apps/default/web" or "nodes/n1".
func (pl *player) key(text string) proto.ObjectKey {
	parts := strings.Split(text, "/")
	name, group, _ := strings.Cut(parts[0], ".")
	resource := proto.Resource{Group: group, Name: name}
	switch len(parts) {
	case 2:
		return resource.Key("", parts[1])
	case 3:
		return resource.Key(parts[1], parts[2])
	}
	pl.t.Fatalf("script: not a key: %s", text)
	return proto.ObjectKey{}
}

func (pl *player) patch(args []string) {
	sub := ""
	if args[0] == events.SubStatus {
		sub, args = args[0], args[1:]
	}
	pl.submit("user:ada", events.Patch{
		Key: pl.key(args[0]), Subresource: sub, Type: types.MergePatchType, Data: []byte(strings.Join(args[1:], " ")),
	})
}

func (pl *player) delete(args []string) {
	var options metav1.DeleteOptions
	if len(args) > 1 {
		policy := metav1.DeletionPropagation(args[1])
		options.PropagationPolicy = &policy
	}
	pl.submit("user:ada", events.Delete{Key: pl.key(args[0]), Options: options})
}

// forbid refuses creations of a resource, as a quota does.
func (pl *player) forbid(resource string) {
	pl.w.Refuse = nil
	if resource == "-" {
		return
	}
	pl.w.Refuse = func(cmd events.Command) error {
		for _, action := range flatten(cmd.Action) {
			if create, ok := action.(events.Create); ok && create.Key.Resource.String() == resource {
				return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, create.Key.Name, errors.New("exceeded quota: all"))
			}
		}
		return nil
	}
}

func flatten(action events.Action) []events.Action {
	batch, ok := action.(events.Batch)
	if !ok {
		return []events.Action{action}
	}
	var all []events.Action
	for _, part := range batch {
		all = append(all, flatten(part)...)
	}
	return all
}

// show prints leaves of an object.
func (pl *player) show(args []string) {
	obj, err := pl.w.View().Get(pl.key(args[0]))
	pl.must(err)
	if obj == nil {
		pl.p.printf("    none")
		return
	}
	for _, leaf := range pl.p.leaves(nil, obj, shownOnChange) {
		for _, prefix := range args[1:] {
			if strings.HasPrefix(leaf, prefix) {
				pl.p.printf("    %s", leaf)
			}
		}
	}
}
