package events

import (
	"maps"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// These tests bring tiny kinds of their own: what they check is Decide, not
// the rules of events/kinds.

var (
	configMaps  = proto.Resource{Name: "configmaps"}
	deployments = proto.Resource{Group: "apps", Name: "deployments"}
)

func testTable() *Table {
	return NewTable(
		&Kind{
			GVK: corev1.SchemeGroupVersion.WithKind("Namespace"), Resource: namespaces, Stream: proto.StreamEvents,
			New: func() Object { return &corev1.Namespace{} }, NewList: func() runtime.Object { return &corev1.NamespaceList{} },
			HasStatus: true,
			PrepareCreate: func(obj Object) {
				ns := obj.(*corev1.Namespace)
				ns.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
				ns.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
			},
			PrepareUpdate: func(obj, old Object) {
				obj.(*corev1.Namespace).Spec.Finalizers = old.(*corev1.Namespace).Spec.Finalizers
			},
			Classify: func(before, after Object, section proto.Section) (string, string) {
				if before == nil || after == nil || before.GetDeletionTimestamp() != nil || after.GetDeletionTimestamp() == nil {
					return "", ""
				}
				return string(NamespaceTerminating), "Deleted"
			},
		},
		&Kind{
			GVK: corev1.SchemeGroupVersion.WithKind("Node"), Resource: nodes, Stream: proto.StreamEvents,
			New: func() Object { return &corev1.Node{} }, NewList: func() runtime.Object { return &corev1.NodeList{} },
			HasStatus: true,
		},
		&Kind{
			GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Resource: configMaps, Namespaced: true, Stream: proto.StreamEvents,
			New: func() Object { return &corev1.ConfigMap{} }, NewList: func() runtime.Object { return &corev1.ConfigMapList{} },
			Validate: func(obj Object) field.ErrorList {
				var errs field.ErrorList
				for _, key := range slices.Sorted(maps.Keys(obj.(*corev1.ConfigMap).Data)) {
					if key == "" {
						errs = append(errs, field.Invalid(field.NewPath("data"), key, "must not be empty"))
					}
				}
				return errs
			},
			ValidateUpdate: func(obj, old Object) field.ErrorList {
				if immutable := old.(*corev1.ConfigMap).Immutable; immutable != nil && *immutable {
					return field.ErrorList{field.Forbidden(field.NewPath("data"), "field is immutable when `immutable` is set")}
				}
				return nil
			},
		},
		&Kind{
			GVK: corev1.SchemeGroupVersion.WithKind("Pod"), Resource: pods, Namespaced: true, Stream: proto.StreamEvents,
			New: func() Object { return &corev1.Pod{} }, NewList: func() runtime.Object { return &corev1.PodList{} },
			HasStatus: true,
			Default: func(obj Object) {
				pod := obj.(*corev1.Pod)
				if pod.Spec.RestartPolicy == "" {
					pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
				}
			},
			PrepareCreate: func(obj Object) {
				obj.SetGeneration(1)
				obj.(*corev1.Pod).Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBestEffort}
			},
			PrepareUpdate: func(obj, old Object) {
				if !apiequality.Semantic.DeepEqual(obj.(*corev1.Pod).Spec, old.(*corev1.Pod).Spec) {
					obj.SetGeneration(old.GetGeneration() + 1)
				}
			},
			PrepareStatus: func(obj, old Object) {
				if pod := obj.(*corev1.Pod); pod.Status.QOSClass == "" {
					pod.Status.QOSClass = old.(*corev1.Pod).Status.QOSClass
				}
			},
			ValidateStatus: func(obj, _ Object) field.ErrorList {
				if obj.(*corev1.Pod).Status.Phase == "Nonsense" {
					return field.ErrorList{field.NotSupported(field.NewPath("status", "phase"), "Nonsense", []string{"Running"})}
				}
				return nil
			},
			Grace: func(obj Object, asked *int64) int64 {
				switch {
				case obj.(*corev1.Pod).Spec.NodeName == "":
					return 0
				case asked != nil:
					return *asked
				default:
					return 30
				}
			},
			Classify: func(before, after Object, section proto.Section) (string, string) {
				was, _ := before.(*corev1.Pod)
				is, _ := after.(*corev1.Pod)
				switch {
				case was == nil || is == nil:
					return "", ""
				case section == proto.SectionSpec && was.Spec.NodeName == "" && is.Spec.NodeName != "":
					return string(PodBound), "Fits"
				case section == proto.SectionStatus && was.Status.Message != is.Status.Message:
					return "Invented", ""
				}
				return "", ""
			},
			Fields: func(obj Object) fields.Set {
				pod := obj.(*corev1.Pod)
				return fields.Set{"spec.nodeName": pod.Spec.NodeName, "status.phase": string(pod.Status.Phase)}
			},
			FieldNames: []string{"spec.nodeName", "status.phase"},
		},
		&Kind{
			GVK: appsv1.SchemeGroupVersion.WithKind("Deployment"), Resource: deployments, Namespaced: true, Stream: proto.StreamEvents,
			New: func() Object { return &appsv1.Deployment{} }, NewList: func() runtime.Object { return &appsv1.DeploymentList{} },
			HasStatus: true,
			PrepareCreate: func(obj Object) {
				obj.SetGeneration(1)
				obj.(*appsv1.Deployment).Status = appsv1.DeploymentStatus{}
			},
			PrepareUpdate: func(obj, old Object) {
				if !apiequality.Semantic.DeepEqual(obj.(*appsv1.Deployment).Spec, old.(*appsv1.Deployment).Spec) {
					obj.SetGeneration(old.GetGeneration() + 1)
				}
			},
		},
	)
}

// cluster is a log without a bus: it decides commands one after the other and
// folds what they become into records, which it also serves as a View.
type cluster struct {
	t       testing.TB
	table   *Table
	seq     proto.Seq
	at      time.Time
	records map[proto.ObjectKey]*Record
	log     []proto.Event
}

var _ View = (*cluster)(nil)

func newCluster(t testing.TB) *cluster {
	c := &cluster{t: t, table: testTable(), at: time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC), records: map[proto.ObjectKey]*Record{}}
	c.must(Create{Key: namespaces.Key("", "default"), Object: &corev1.Namespace{}, UID: "ns-default"})
	return c
}

func (c *cluster) Seq() proto.Seq { return c.seq }

func (c *cluster) Get(key proto.ObjectKey) (Object, error) {
	r := c.records[key]
	if r == nil || r.Deleted {
		return nil, nil
	}
	return c.table.Decode(r)
}

func (c *cluster) List(query Query) (Page, error) {
	keys := slices.SortedFunc(maps.Keys(c.records), CompareKeys)
	kind := c.table.Of(query.Resource)
	var page Page
	for i, key := range keys {
		if key.Resource != query.Resource || query.After.Name != "" && CompareKeys(key, query.After) <= 0 {
			continue
		}
		obj, err := c.Get(key)
		if err != nil {
			return Page{}, err
		}
		if obj == nil || !query.Matches(kind, obj) {
			continue
		}
		if query.Limit > 0 && len(page.Items) == query.Limit {
			last := kind.KeyOf(page.Items[len(page.Items)-1])
			page.Next, page.Remaining = &last, -1
			if !query.Selective() {
				page.Remaining = 0
				for _, rest := range keys[i:] {
					r := c.records[rest]
					if rest.Resource == query.Resource && !r.Deleted && (query.Namespace == "" || rest.Namespace == query.Namespace) {
						page.Remaining++
					}
				}
			}
			return page, nil
		}
		page.Items = append(page.Items, obj)
	}
	return page, nil
}

// do decides an action and folds it.
func (c *cluster) do(action Action) (Decision, error) {
	return c.command(Command{Actor: "user:admin", Action: action})
}

func (c *cluster) command(cmd Command) (Decision, error) {
	decision, err := Decide(c.table, c, cmd, c.at)
	if err != nil {
		return decision, err
	}
	c.fold(decision)
	return decision, nil
}

func (c *cluster) fold(d Decision) {
	if len(d.Events) == 0 {
		return
	}
	c.seq++
	for i := range d.Events {
		ev := &d.Events[i]
		c.log = append(c.log, *ev)
		if after := Apply(c.records[ev.Key], ev, c.seq, c.at); after != nil {
			c.records[ev.Key] = after
		}
	}
}

func (c *cluster) must(action Action) Decision {
	c.t.Helper()
	d, err := c.do(action)
	if err != nil {
		c.t.Fatalf("%s %s: %v", verbOf(action), keyOf(action), err)
	}
	return d
}

func (c *cluster) get(key proto.ObjectKey) Object {
	c.t.Helper()
	obj, err := c.Get(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return obj
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "default"} }

func newPod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "nginx:1.9.1"}}}}
}

func (c *cluster) pod(name string) proto.ObjectKey {
	c.t.Helper()
	key := pods.Key("default", name)
	c.must(Create{Key: key, Object: newPod(name), UID: types.UID("uid-" + name)})
	return key
}

func (c *cluster) node(name string) {
	c.t.Helper()
	c.must(Create{Key: nodes.Key("", name), Object: &corev1.Node{}, UID: types.UID("uid-" + name)})
}
