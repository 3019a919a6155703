package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

const (
	ada       = proto.Actor("user:ada")
	sets      = proto.Actor("system:replicaset")
	scheduler = proto.Actor("system:scheduler")
	nodelife  = proto.Actor("system:nodelife")
	garbage   = proto.Actor("system:garbage")
	node1     = proto.Actor("node:n1")
)

var podKey = pods.Key("default", "p")

// alter is a change of a pod.
type alter func(*corev1.Pod)

// pod is a pod p of the set rs, on no node.
func pod(changes ...alter) *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", UID: "uid-rs", Controller: &yes},
		}},
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func named(name string) alter {
	return func(p *corev1.Pod) { p.Name, p.UID = name, types.UID("uid-"+name) }
}
func bound(p *corev1.Pod) { p.Spec.NodeName = "n1" }
func ending(p *corev1.Pod) {
	p.DeletionTimestamp = &metav1.Time{Time: start}
}

func status(s corev1.ContainerStatus) alter {
	s.Name = "web"
	return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{s} }
}

func waiting(reason, message string) alter {
	return status(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}})
}

func condition(of corev1.PodConditionType, is corev1.ConditionStatus, reason, message string) alter {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: of, Status: is, Reason: reason, Message: message})
	}
}

// runs is a pod whose container does; ready says whether it serves.
func runs(ready bool) alter {
	is := corev1.ConditionFalse
	if ready {
		is = corev1.ConditionTrue
	}
	return func(p *corev1.Pod) {
		bound(p)
		p.Status.Phase = corev1.PodRunning
		started := true
		status(corev1.ContainerStatus{Ready: ready, Started: &started, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})(p)
		condition(corev1.PodReady, is, "ContainersNotReady", "")(p)
	}
}

func set(replicas int32) *appsv1.ReplicaSet {
	yes := true
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "rs", Namespace: "default", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "Deployment", Name: "d", UID: "uid-d", Controller: &yes},
		}},
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas},
	}
}

func labelled(set *appsv1.ReplicaSet) *appsv1.ReplicaSet {
	set.Labels = map[string]string{"a": "b"}
	return set
}

func deployment(replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d", Namespace: "default"}, Spec: appsv1.DeploymentSpec{Replicas: &replicas}}
}

func node(ready corev1.ConditionStatus, taints ...corev1.Taint) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Spec: corev1.NodeSpec{Taints: taints},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: "Why", Message: "What the node says."}}},
	}
}

func unreachable(at time.Duration) corev1.Taint {
	return corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: start.Add(at)}}
}

// note is one about a container of the pod.
func (s *story) note(container, kind, reason, message string, at time.Duration) {
	n := &corev1.Event{
		Type: kind, Reason: reason, Message: message, Count: 3,
		InvolvedObject: corev1.ObjectReference{UID: "uid-p"},
		FirstTimestamp: metav1.NewTime(start.Add(at)), LastTimestamp: metav1.NewTime(start.Add(at)),
	}
	if container != "" {
		n.InvolvedObject.FieldPath = "spec.containers{" + container + "}"
	}
	s.notes = append(s.notes, n)
}

// telling is one question about a made-up log, and what the answer is to be.
type telling struct {
	name    string
	tell    func(s *story)
	key     proto.ObjectKey // zero is the pod p
	at      proto.Seq       // 0 is the end
	says    []string        // all of them
	without []string        // none of them
	way     string          // to each end
	not     bool            // it is not so
	hint    proto.Seq
}

func runTellings(t *testing.T, question Question, all []telling) {
	for _, test := range all {
		t.Run(test.name, func(t *testing.T) {
			s := newStory(t)
			test.tell(s)
			if test.key == (proto.ObjectKey{}) {
				test.key = podKey
			}
			a := s.ask(test.key, question, test.at)
			if a == nil {
				t.Fatal("no answer")
			}
			text := strings.Join(a.Says, "\n")
			if a.Applies == test.not || len(a.Says) == 0 {
				t.Errorf("applies is %t", a.Applies)
			}
			for _, want := range test.says {
				if !strings.Contains(text, want) {
					t.Errorf("nothing is said of %q", want)
				}
			}
			for _, never := range test.without {
				if strings.Contains(text, never) {
					t.Errorf("something is said of %q", never)
				}
			}
			if got := s.drawn(a); got != test.way {
				t.Errorf("it comes by %q, want %q", got, test.way)
			}
			switch {
			case test.hint == 0 && len(a.Hints) > 0, test.hint > 0 && (len(a.Hints) != 1 || a.Hints[0].At != test.hint):
				t.Errorf("hints %+v, want %d", a.Hints, test.hint)
			}
			if s.asked > 200 {
				t.Errorf("%d look-ups", s.asked)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func TestE8Check(t *testing.T) {
	for _, test := range []struct {
		resource proto.Resource
		question Question
		refused  string
	}{
		{pods, Deleted, ""}, {pods, Restarted, ""}, {nodes, NotReady, ""}, {namespaces, Deleted, ""}, {replicaSets, Pending, ""},
		{nodes, Pending, "about nodes there is: deleted, not-ready"},
		{namespaces, NotReady, "about namespaces there is: deleted"},
		{pods, "gone", `question "gone": must be one of deleted, pending, restarted, not-ready`},
		{pods, "", `question "": must be one of`},
	} {
		err := Check(test.resource, test.question)
		if (err == nil) != (test.refused == "") || (err != nil && !strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%s of %s: %v, want %q", test.question, test.resource, err, test.refused)
		}
	}
	if a := newStory(t).ask(podKey, Deleted, 0); a != nil {
		t.Errorf("about a pod that never was: %+v", a)
	}
}

func TestE8WhyDeleted(t *testing.T) {
	rs := replicaSets.Key("default", "rs")
	runTellings(t, Deleted, []telling{
		{name: "never", not: true, says: []string{"pods/default/p exists since 1 (", "nobody has asked"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
		}},
		{name: "by a person, at once", way: "2", says: []string{"was deleted at 2 (2026-11-23 03:00:02 UTC): user:ada (segno do delete) asked for it.", "request of user:ada"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(ada, 0, "delete", gone{podKey})
		}},
		{name: "under way", way: "3", says: []string{"is being deleted since 3 (", "waits for its finalizers: hold", "waits for node n1"}, tell: func(s *story) {
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue))
			held := func(p *corev1.Pod) { p.Finalizers = []string{"hold"} }
			s.tell(ada, 0, "create", pod(bound, held))
			s.tell(ada, 0, "delete", pod(bound, ending, held))
			s.tell(node1, 2, "Reported", pod(bound, ending, held, waiting("ContainerCreating", "")))
		}},
		{name: "not yet, as of before", at: 2, not: true, says: []string{"exists since 1"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(ada, 0, "label", pod(bound))
			s.tell(ada, 0, "delete", gone{podKey})
		}},
		{name: "an earlier one of the name", way: "2", says: []string{"exists again since 3", "was deleted at 2"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(ada, 0, "delete", gone{podKey})
			s.tell(ada, 0, "create", pod(func(p *corev1.Pod) { p.UID = "second" }))
		}},
		{name: "what changed in between is not the cause", way: "2 2~>4", says: []string{"was deleted at 4", "asked for it", "at 2 ("}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(ada, 0, "delete", pod(bound, ending))
			s.tell("user:bob", 0, "label", pod(bound, ending, func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }))
			s.tell(node1, 3, "PodEnded", gone{podKey})
		}},
		{name: "an eviction that a person forced to its end", way: "2>4 2>4~>5",
			says: []string{"was deleted at 5 (", "it was evicted from nodes/n1, which is silent since 2 (", ", and user:bob (segno do delete) brought it to its end."},
			tell: func(s *story) {
				s.tell(node1, 0, "Registered", node(corev1.ConditionTrue))
				s.tell(nodelife, 0, "NodeSilent", node(corev1.ConditionUnknown, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}))
				s.tell(ada, 0, "create", pod(bound))
				s.tell(nodelife, 2, "TaintEviction", pod(bound, ending))
				s.tell("user:bob", 0, "delete", gone{podKey})
			}},
		{name: "an undo", way: "4>5", says: []string{"user:bob (segno do Undone) at 4 (", "which takes back 2."}, without: []string{"user:ada"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(0))
			s.tell(ada, 0, "scale", set(1))
			s.tell(sets, 2, "Missing", pod(bound))
			s.tell("user:bob", 2, "Undone", set(0))
			s.tell(sets, 4, "ScaledDown", gone{podKey})
		}},
		{name: "a scale", way: "4>5>6 4>5>6>7", says: []string{"replicasets/default/rs was scaled from 3 to 1 at 5", "user:ada (segno do scale)"}, tell: func(s *story) {
			s.tell(ada, 0, "create", deployment(3))
			s.tell("system:deployment", 1, "Created", set(3))
			s.tell(sets, 2, "Missing", pod(bound))
			s.tell(ada, 0, "scale", deployment(1))
			s.tell("system:deployment", 4, "Scaled", set(1))
			s.tell(sets, 5, "ScaledDown", pod(bound, ending))
			s.tell(node1, 6, "PodEnded", gone{podKey})
		}},
		{name: "a scale, looked at for another reason", way: "2~>4", says: []string{"was scaled from 3 to 1 at 2"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(3), pod())
			s.tell(ada, 0, "scale", set(1))
			s.tell("user:bob", 0, "other", pod(named("q")))
			s.tell(sets, 3, "ScaledDown", gone{podKey})
		}},
		{name: "surplus without a scale", way: "2>3", says: []string{"replicasets/default/rs had more pods than it wanted"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(1), pod())
			s.tell(ada, 0, "create", pod(named("q")))
			s.tell(sets, 2, "ScaledDown", gone{podKey})
		}},
		{name: "a silent node", way: "2>4", says: []string{"evicted from nodes/n1, which is silent since 2 (", "nobody else can end", "failure at 2 (2026-11-23 03:00:02 UTC): silence of node n1."}, tell: func(s *story) {
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue), pod(bound))
			s.tell(nodelife, 0, "NodeSilent", node(corev1.ConditionUnknown, unreachable(0)))
			s.log[1].Cause.Request = "silence of node n1"
			s.tell(ada, 0, "other", pod(named("q")))
			s.tell(nodelife, 2, "TaintEviction", pod(bound, ending))
		}},
		{name: "a silent node, looked at because a person did something else", way: "2~>4", says: []string{"silent since 2"}, without: []string{"user:ada"}, tell: func(s *story) {
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue), pod(bound))
			s.tell(nodelife, 0, "NodeSilent", node(corev1.ConditionUnknown, unreachable(0)))
			s.log[1].Cause.Request = "silence of node n1"
			s.tell(ada, 0, "label", func() *corev1.Node {
				n := node(corev1.ConditionUnknown, unreachable(0))
				n.Labels = map[string]string{"looked": "at"}
				return n
			}())
			s.tell(nodelife, 3, "TaintEviction", pod(bound, ending))
		}},
		{name: "a taint of a person; one that is tolerated is not to blame", way: "3~>4", says: []string{"evicted from nodes/n1, which has the taint out:NoExecute since 3"}, tell: func(s *story) {
			stays := func(p *corev1.Pod) {
				p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
			}
			gpu := corev1.Taint{Key: "gpu", Effect: corev1.TaintEffectNoExecute}
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue), pod(bound, stays))
			s.tell(ada, 0, "taint", node(corev1.ConditionTrue, gpu))
			s.tell(ada, 0, "taint", node(corev1.ConditionTrue, gpu, corev1.Taint{Key: "out", Effect: corev1.TaintEffectNoExecute}))
			s.tell(nodelife, 1, "TaintEviction", gone{podKey})
		}},
		{name: "a node that was deleted", way: "2~>3", says: []string{"its node nodes/n1 was not there any more by user:ada"}, tell: func(s *story) {
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue), pod(bound))
			s.tell(ada, 0, "delete", gone{nodes.Key("", "n1")})
			s.tell(nodelife, 1, "NodeGone", gone{podKey})
		}},
		{name: "owners, found by the garbage collector when it started", way: "2~>3~>4", says: []string{"garbage collector took it, as its owner replicasets/default/rs was deleted", "user:ada (segno do delete)"}, tell: func(s *story) {
			s.tell(ada, 0, "create", deployment(1), set(1), pod())
			s.tell(ada, 0, "delete", gone{proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "d")})
			s.tell(garbage, 1, "OwnerGone", gone{rs})
			s.tell(garbage, 1, "OwnerGone", gone{podKey})
		}},
		{name: "an owner of a name that others have had since", way: "2~>6", says: []string{"was deleted by user:ada"}, tell: func(s *story) {
			s.tell("user:bob", 0, "create", set(1), pod())
			s.tell(ada, 0, "delete", gone{rs})
			other := set(1)
			other.UID = "another"
			s.tell("user:bob", 0, "create", other)
			s.tell("user:bob", 0, "delete", gone{rs})
			s.tell("user:bob", 0, "other", pod(named("q")))
			s.tell(garbage, 5, "OwnerGone", gone{podKey})
		}},
		{name: "an owner that waits for it", way: "2>3", says: []string{"its owner replicasets/default/rs was deleted by user:ada"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(1), pod())
			waits := set(1)
			waits.DeletionTimestamp, waits.Finalizers = &metav1.Time{Time: start}, []string{metav1.FinalizerDeleteDependents}
			s.tell(ada, 0, "delete", waits)
			s.tell(garbage, 2, "OwnerDeleted", gone{podKey})
			s.tell(garbage, 3, "DependentsDeleted", gone{rs})
		}},
		{name: "a namespace", way: "2~>3", says: []string{"its namespace namespaces/default was deleted by user:ada"}, tell: func(s *story) {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			s.tell(ada, 0, "create", ns, pod())
			ns = ns.DeepCopy()
			ns.DeletionTimestamp = &metav1.Time{Time: start}
			s.tell(ada, 0, "delete", ns)
			s.tell("system:namespace", 1, "NamespaceTerminating", gone{podKey})
		}},
		{name: "something else", way: "1>2", says: []string{"system:job did it (Finished)"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell("system:job", 1, "Finished", gone{podKey})
		}},
	})
}

func TestE8WhyPending(t *testing.T) {
	unschedulable := condition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
	needs := func(optional bool) alter {
		return func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "conf"}, Key: "a", Optional: &optional,
			}}}}
		}
	}
	conf := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "conf", Namespace: "default"}}
	confKey := proto.Resource{Name: "configmaps"}.Key("default", "conf")
	runTellings(t, Pending, []telling{
		{name: "no word of the scheduler", way: "1", says: []string{"no word of the scheduler"}, tell: func(s *story) { s.tell(ada, 0, "create", pod()) }},
		{name: "no node", way: "1>2", says: []string{"Unschedulable: 0/1 nodes are available: 1 Insufficient cpu", "since 2 (", "noted before: 0/0 nodes"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(scheduler, 1, "Unschedulable", pod(unschedulable))
			s.tell(ada, 0, "label", pod(unschedulable, func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }))
			s.note("", corev1.EventTypeWarning, "FailedScheduling", "0/0 nodes are available.", 0)
		}},
		{name: "an image, whatever it is called by now", way: "1>2>3", says: []string{"container web waits: ErrImagePull: no such manifest", "since 3 ("}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(scheduler, 1, "Scheduled", pod(bound))
			s.tell(node1, 2, "ContainerWaiting", pod(bound, waiting("ErrImagePull", "no such manifest")))
			s.tell(node1, 2, "ContainerWaiting", pod(bound, waiting("ImagePullBackOff", "back-off")))
			s.tell(node1, 2, "ContainerWaiting", pod(bound, waiting("ErrImagePull", "no such manifest")))
		}},
		{name: "a ConfigMap that was deleted", way: "2~>4", says: []string{"CreateContainerConfigError: not found; it needs configmaps/default/conf, which was deleted at 2 (", "user:ada (segno do delete) asked for it", "It begins with a request of user:ada (segno do delete) at 2"}, tell: func(s *story) {
			s.tell("user:bob", 0, "create", conf.DeepCopy())
			s.tell(ada, 0, "delete", gone{confKey})
			s.tell("user:bob", 0, "create", pod(bound, needs(false)))
			s.tell(node1, 3, "ContainerWaiting", pod(bound, needs(false), waiting(configError, "not found.")))
		}},
		{name: "a ConfigMap that never was", way: "1>2", says: []string{"it needs configmaps/default/conf, which the log has never had"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound, needs(false)))
			s.tell(node1, 1, "ContainerWaiting", pod(bound, needs(false), waiting(configError, "not found")))
		}},
		{name: "a reference that is not supported, whatever became of what it names", way: "2 3>4",
			says: []string{"envFrom is not supported by this version of segno, since 4 (2026-11-23 03:00:04 UTC).\nBesides, it needs configmaps/default/conf, which was deleted at 2", "It begins with a request of user:bob"}, tell: func(s *story) {
				s.tell("user:bob", 0, "create", conf.DeepCopy())
				s.tell(ada, 0, "delete", gone{confKey})
				s.tell("user:bob", 0, "create", pod(bound, needs(false)))
				s.tell(node1, 3, "ContainerWaiting", pod(bound, needs(false), waiting(configError, "envFrom is not supported by this version of segno")))
			}},
		{name: "a node that was cordoned", way: "2 3>4", says: []string{"since 4 (2026-11-23 03:00:04 UTC).\nnodes/n1 is cordoned since 2 (", "by user:ada (segno do cordon).\nIt begins with a request of user:bob (segno do scale)"},
			tell: func(s *story) {
				cordoned := node(corev1.ConditionTrue)
				cordoned.Spec.Unschedulable = true
				s.tell(node1, 0, "Registered", node(corev1.ConditionTrue))
				s.tell(ada, 0, "cordon", cordoned)
				s.tell("user:bob", 0, "scale", pod())
				s.tell(scheduler, 3, "Unschedulable", pod(unschedulable))
			}},
		{name: "a node that was tainted, and one that was not", way: "2 3>4", says: []string{"nodes/n1 has the taint k=v:NoSchedule since 2 ("}, without: []string{"n2"},
			tell: func(s *story) {
				other := node(corev1.ConditionTrue)
				other.Name = "n2"
				s.tell(node1, 0, "Registered", node(corev1.ConditionTrue), other)
				s.tell(ada, 0, "taint", node(corev1.ConditionTrue, corev1.Taint{Key: "k", Value: "v", Effect: corev1.TaintEffectNoSchedule}))
				s.tell("user:bob", 0, "scale", pod())
				s.tell(scheduler, 3, "Unschedulable", pod(unschedulable))
			}},
		{name: "a crash loop of a set", key: replicaSets.Key("default", "rs"), not: true, hint: 1, tell: func(s *story) {
			lacks := set(1)
			lacks.Status.Replicas = 1
			s.tell(ada, 0, "create", lacks, pod())
			s.tell(node1, 1, "PodReady", pod(runs(true)))
			crashed := attempt(2, died(2, 1, "Error"))
			s.tell(node1, 1, "ContainerRestarted", pod(crashed))
			s.tell(node1, 1, "ContainerDied", pod(crashed, dead(2, died(2, 1, "Error")), func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }))
		}, says: []string{"No pod of replicasets/default/rs is pending (it has 1).",
			"1 pod of it is not ready: segno why replicaset/rs not-ready tells why.", "1 pod of it has restarted containers: segno why replicaset/rs restarted tells"}},
		{name: "a ConfigMap that is not needed", way: "1>2", without: []string{"it needs"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound, needs(true)))
			s.tell(node1, 1, "ContainerWaiting", pod(bound, needs(true), waiting(configError, "something else")))
		}},
		{name: "a sandbox that fails", way: "1", says: []string{"container web is being made: FailedCreatePodSandBox: no address"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(node1, 1, "PodAccepted", pod(bound, waiting("ContainerCreating", "")))
			s.note("", corev1.EventTypeWarning, "FailedCreatePodSandBox", "no address", 0)
		}},
		{name: "a node that does not speak", way: "2~>3", says: []string{"its node n1 is silent since 2"}, tell: func(s *story) {
			s.tell(node1, 0, "Registered", node(corev1.ConditionTrue))
			s.tell(nodelife, 0, "NodeSilent", node(corev1.ConditionUnknown))
			s.tell(ada, 0, "create", pod(bound))
		}},
		{name: "a node that has not got to it", way: "1", says: []string{"node n1 has not reported it yet"}, tell: func(s *story) { s.tell(ada, 0, "create", pod(bound)) }},
		{name: "it runs", not: true, hint: 2, says: []string{"is not pending but Running since 3"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(scheduler, 1, "Scheduled", pod(bound))
			s.tell(node1, 2, "PodReady", pod(runs(true)))
		}},
		{name: "it is gone", not: true, hint: 1, says: []string{"is gone since 2", "segno why pod/p deleted"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod())
			s.tell(ada, 0, "delete", gone{podKey})
		}},
		{name: "pods of a set", key: replicaSets.Key("default", "rs"), way: "1", says: []string{"6 of the 7 pods of replicasets/default/rs are pending", "1 pod more are left out"}, tell: func(s *story) {
			all := []any{set(7), pod(runs(true))}
			for i := range 6 {
				all = append(all, pod(named(fmt.Sprintf("q%d", i))))
			}
			s.tell(ada, 0, "create", all...)
		}},
		{name: "pods of a set that are refused", key: replicaSets.Key("default", "rs"), way: "1>2", says: []string{"2 pods wanted cannot be made: replicasets/default/rs: FailedCreate: quota"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(2))
			refused := set(2)
			refused.Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "quota."}}
			s.tell(sets, 1, "FailedCreate", refused)
		}},
		{name: "a set that wants none", key: replicaSets.Key("default", "rs"), not: true, way: "1", says: []string{"has no pods, and wants none: user:ada (segno do create) made it so at 1 ("}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(0))
		}},
		{name: "a set that came to want none", key: replicaSets.Key("default", "rs"), not: true, hint: 2, way: "2>3",
			says: []string{"has no pods, and wants none: system:replicaset scaled it from 3 to 0 at 3 (", "It begins with a request of user:ada (segno do scale) at 2"}, tell: func(s *story) {
				s.tell(ada, 0, "create", deployment(3), set(3))
				s.tell(ada, 0, "scale", deployment(0))
				s.tell(sets, 2, "ScaledDown", set(0))
				s.tell(ada, 0, "label", labelled(set(0)))
			}},
		{name: "a set whose making the log does not have", key: replicaSets.Key("default", "rs"), not: true, says: []string{"has no pods, and wants none."}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(0))
			s.tell(ada, 0, "label", labelled(set(0)))
			s.first = 2
		}},
	})
}

// died is how the n-th attempt of the container ended, a while after the start.
func died(n int, code int32, reason string) *corev1.ContainerStateTerminated {
	at := start.Add(time.Duration(n) * time.Minute)
	return &corev1.ContainerStateTerminated{
		ContainerID: fmt.Sprint("c", n), ExitCode: code, Reason: reason, StartedAt: metav1.NewTime(at), FinishedAt: metav1.NewTime(at.Add(3 * time.Second)),
	}
}

// attempt is the container running for the n-th time after it ended so.
func attempt(n int, before *corev1.ContainerStateTerminated) alter {
	return func(p *corev1.Pod) {
		runs(true)(p)
		status(corev1.ContainerStatus{
			Ready: true, RestartCount: int32(n), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			LastTerminationState: corev1.ContainerState{Terminated: before},
		})(p)
	}
}

func dead(n int, end *corev1.ContainerStateTerminated) alter {
	return func(p *corev1.Pod) {
		runs(false)(p)
		status(corev1.ContainerStatus{RestartCount: int32(n), State: corev1.ContainerState{Terminated: end}})(p)
	}
}

func TestE8WhyRestarted(t *testing.T) {
	runTellings(t, Restarted, []telling{
		{name: "never", not: true, says: []string{"No container of pods/default/p was restarted since it was created at 1"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
		}},
		{name: "after a death", way: "2 2>3", says: []string{"Container web of pods/default/p was restarted once.", "exited with code 3 (Error) after 3s, as of 2"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerDied", pod(dead(0, died(1, 3, "Error"))))
			s.tell(node1, 2, "ContainerRestarted", pod(attempt(1, died(1, 3, "Error"))))
		}},
		{name: "death and restart at once, and one whose cause is not stated", way: "2 3 3~>4", says: []string{"was restarted 2 times", "killed for want of memory (OOMKilled, exit code 137)"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(1, 1, "Error"))))
			s.tell(node1, 0, "ContainerDied", pod(dead(1, died(2, 137, "OOMKilled"))))
			s.tell(node1, 1, "ContainerRestarted", pod(attempt(2, died(2, 137, "OOMKilled"))))
		}},
		{name: "after a wait", way: "2 2~>4", says: []string{"as of 2"}, tell: func(s *story) {
			backsOff := func(p *corev1.Pod) {
				runs(false)(p)
				status(corev1.ContainerStatus{
					State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop}},
					LastTerminationState: corev1.ContainerState{Terminated: died(1, 3, "Error")},
				})(p)
			}
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerDied", pod(backsOff))
			s.tell(ada, 0, "label", pod(backsOff, func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }))
			s.tell(node1, 3, "ContainerRestarted", pod(attempt(1, died(1, 3, "Error"))))
		}},
		{name: "a probe", way: "2", says: []string{"exited with code 137 (Error) after 3s, killed because its liveness probe failed: 500"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(1, 137, "Error"))))
			s.note("web", corev1.EventTypeNormal, "Killing", "Container web failed liveness probe, will be restarted", time.Minute+2*time.Second)
			s.note("web", corev1.EventTypeWarning, "Unhealthy", "Liveness probe failed: 500", time.Minute)
			s.note("web", corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: 404", time.Minute)
		}},
		{name: "a probe of another time", way: "2", without: []string{"probe"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(1, 137, "Error"))))
			s.note("web", corev1.EventTypeNormal, "Killing", "Container web failed liveness probe, will be restarted", time.Hour)
		}},
		{name: "more often than is shown", way: "4 5 6 7 8 9 10 11 12 13", says: []string{"restarted 12 times", "2 restarts before those below are left out"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			for i := range 12 {
				s.tell(node1, 0, "ContainerRestarted", pod(attempt(i+1, died(i, 1, "Error"))))
			}
		}},
		{name: "in a log that begins with the pod", way: "3", says: []string{"restarted 2 times", "1 restart before those below is left out"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(0, 1, "Error"))))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(2, died(1, 1, "Error"))))
			s.first = 3
		}},
		{name: "of a pod that is gone", way: "2", says: []string{"restarted once"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(1, 1, "Error"))))
			s.tell(ada, 0, "delete", gone{podKey})
		}},
		{name: "of a set", key: replicaSets.Key("default", "rs"), way: "2 3", says: []string{"The only pod of replicasets/default/rs has restarted containers", "restarted 2 times"}, tell: func(s *story) {
			s.tell(ada, 0, "create", set(3), pod(runs(true)))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(1, died(1, 1, "Error"))))
			s.tell(node1, 0, "ContainerRestarted", pod(attempt(2, died(2, 1, "Error"))))
		}},
	})
}

func TestE8WhyNotReady(t *testing.T) {
	nodeKey := nodes.Key("", "n1")
	runTellings(t, NotReady, []telling{
		{name: "it is, and was not", not: true, hint: 3, says: []string{"pods/default/p is ready since 4"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(node1, 1, "PodReady", pod(runs(true)))
			s.tell(node1, 1, "PodUnready", pod(runs(false)))
			s.tell(node1, 1, "PodReady", pod(runs(true)))
		}},
		{name: "a readiness probe", way: "1>3", says: []string{"is not ready since 3", "container web runs, and its readiness probe failed: 503 (noted 3 times)"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(node1, 1, "PodReady", pod(runs(true)))
			s.tell(node1, 1, "PodUnready", pod(runs(false)))
			s.note("web", corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: 503", 0)
		}},
		{name: "a startup probe", way: "1>2", says: []string{"its startup probe has not succeeded"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(node1, 1, "PodUnready", pod(runs(false), func(p *corev1.Pod) { p.Status.ContainerStatuses[0].Started = new(bool) }))
		}},
		{name: "a crash loop", way: "3", says: []string{"in a crash loop (CrashLoopBackOff): it was restarted 4 times, and last exited with code 2 (Error) after 3s", "what node:n1 saw"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(node1, 1, "PodReady", pod(runs(true)))
			s.tell(node1, 0, "ContainerDied", pod(runs(false), func(p *corev1.Pod) {
				c := &p.Status.ContainerStatuses[0]
				c.RestartCount, c.LastTerminationState.Terminated = 4, died(1, 2, "Error")
				c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "back-off 10s"}}
			}))
		}},
		{name: "a silent node", way: "2", says: []string{"its node n1 is silent since 2"}, tell: func(s *story) {
			s.tell(node1, 0, "PodReady", node(corev1.ConditionTrue), pod(runs(true)))
			s.tell(nodelife, 0, "NodeSilent", node(corev1.ConditionUnknown), pod(runs(false)))
		}},
		{name: "a node that is gone", way: "2~>3", says: []string{"its node n1 is gone since 2"}, tell: func(s *story) {
			s.tell(node1, 0, "PodReady", node(corev1.ConditionTrue), pod(runs(true)))
			s.tell(ada, 0, "delete", gone{nodeKey})
			s.tell(nodelife, 0, "NodeGone", pod(runs(false)))
		}},
		{name: "it has ended", way: "2", says: []string{"it has come to its end: Failed: DeadlineExceeded: too long"}, tell: func(s *story) {
			s.tell(node1, 0, "PodReady", pod(runs(true)))
			s.tell(node1, 0, "PodFailed", pod(runs(false), func(p *corev1.Pod) {
				p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "DeadlineExceeded", "too long"
			}))
		}},
		{name: "a readiness gate", way: "1", says: []string{`ReadinessGatesNotReady: gate "open"`}, tell: func(s *story) {
			s.tell(node1, 0, "PodUnready", pod(runs(true), func(p *corev1.Pod) {
				p.Status.Conditions = nil
				condition(corev1.PodReady, corev1.ConditionFalse, "ReadinessGatesNotReady", `gate "open"`)(p)
			}))
		}},
		{name: "an init container", way: "1", says: []string{"init container setup is still running"}, without: []string{"container web"}, tell: func(s *story) {
			s.tell(node1, 0, "PodUnready", pod(bound, waiting("PodInitializing", ""), func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "setup", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
			}))
		}},
		{name: "it is, and one of its name was not", not: true, says: []string{"is ready since 3"}, tell: func(s *story) {
			s.tell(ada, 0, "create", pod(bound))
			s.tell(ada, 0, "delete", gone{podKey})
			s.tell(ada, 0, "create", pod(runs(true), func(p *corev1.Pod) { p.UID = "second" }))
		}},
		{name: "a node that says so", key: nodeKey, way: "2", says: []string{"nodes/n1 is not ready since 2 (2026-11-23 03:00:02 UTC): Why: What the node says."}, tell: func(s *story) {
			s.tell(node1, 0, "NodeReady", node(corev1.ConditionTrue))
			s.tell(node1, 0, "NodeNotReady", node(corev1.ConditionFalse))
		}},
		{name: "a node that is", key: nodeKey, not: true, hint: 2, says: []string{"nodes/n1 is ready since 3"}, tell: func(s *story) {
			s.tell(node1, 0, "NodeReady", node(corev1.ConditionTrue))
			s.tell(node1, 0, "NodeNotReady", node(corev1.ConditionFalse))
			s.tell(node1, 0, "NodeReady", node(corev1.ConditionTrue))
		}},
		{name: "a deployment that was scaled to none", key: proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "d"), not: true, hint: 1, way: "2",
			says: []string{"deployments/default/d has no pods, and wants none: user:ada (segno do scale) scaled it from 3 to 0 at 2 ("}, tell: func(s *story) {
				s.tell(ada, 0, "create", deployment(3), set(3))
				s.tell(ada, 0, "scale", deployment(0))
			}},
		{name: "pods of a deployment", key: proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "d"), way: "1>2", says: []string{"1 of the 2 pods of deployments/default/d is not ready", "pods/default/q: container web runs"}, tell: func(s *story) {
			s.tell(ada, 0, "create", deployment(2), set(2), pod(runs(true)), pod(named("q"), bound))
			s.tell(node1, 1, "PodUnready", pod(named("q"), runs(false)))
		}},
	})
}
