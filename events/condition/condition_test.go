package condition

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

var (
	table = kinds.Table()
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// cluster is a State of a few objects.
type cluster struct {
	objects map[proto.ObjectKey]events.Object
	reads   int
	err     error
}

func (c *cluster) Get(key proto.ObjectKey) (events.Object, error) {
	c.reads++
	return c.objects[key], c.err
}

func (c *cluster) List(query events.Query) (events.Page, error) {
	c.reads++
	var page events.Page
	for key, obj := range c.objects {
		if key.Resource == query.Resource && (query.Namespace == "" || key.Namespace == query.Namespace) {
			page.Items = append(page.Items, obj)
		}
	}
	return page, c.err
}

func clusterOf(objects ...events.Object) *cluster {
	out := &cluster{objects: map[proto.ObjectKey]events.Object{}}
	for _, obj := range objects {
		for _, kind := range table.All() {
			if reflect.TypeOf(kind.New()) == reflect.TypeOf(obj) {
				out.objects[kind.KeyOf(obj)] = obj
			}
		}
	}
	return out
}

func web(change func(*appsv1.Deployment)) *appsv1.Deployment {
	three := int32(3)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "default", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour)),
			Labels: map[string]string{"app": "web", "example.com/tier": "front"},
		},
		Spec: appsv1.DeploymentSpec{Replicas: &three},
	}
	d.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "web", Image: "nginx:1.7.9",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}},
		Ports:     []corev1.ContainerPort{{ContainerPort: 80}},
	}}
	surge := intstr.FromString("25%")
	d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &surge}
	if change != nil {
		change(d)
	}
	return d
}

func pod(namespace, name string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Status:     corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", RestartCount: 2}}},
	}
}

func (c *cluster) scaled() *Occurrence {
	env := &proto.Envelope{
		Seq: 42, At: noon, Actor: "user:ada", Verb: "patch", Via: "segno scale", Cause: proto.Cause{Seq: 40},
		Events: []proto.Event{{
			Kind: "DeploymentScaled", Reason: "Requested",
			Key: proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "web"), Section: proto.SectionSpec,
		}},
	}
	return &Occurrence{
		Envelope: env, Event: &env.Events[0],
		Before: func() (events.Object, error) { return nil, nil },
		After:  func() (events.Object, error) { return c.objects[env.Events[0].Key], nil },
	}
}

// TestE10Truth evaluates expressions over one small cluster: what is, what is
// zero, and what is not there.
func TestE10Truth(t *testing.T) {
	state := clusterOf(web(nil), pod("default", "a", corev1.PodRunning), pod("default", "b", corev1.PodFailed), pod("other", "c", corev1.PodRunning),
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	tests := []struct {
		text string
		want bool
	}{
		{`object("deployment/web").spec.replicas == 3`, true},
		{`object("deploy/default/web").spec.replicas > 2`, true},
		{`object("deployments.apps", "default", "web").spec.replicas < 2.5`, false},
		{`object("deployment/web").kind == "Deployment" && object("deployment/web").apiVersion == "apps/v1"`, true},
		{`object("deployment/web").metadata.labels.app == "web"`, true},
		{`object("deployment/web").metadata.labels["example.com/tier"] in ["front", "back"]`, true},
		{`"app" in object("deployment/web").metadata.labels`, true},
		{`size(object("deployment/web").metadata.labels) == 2`, true},
		{`object("deployment/web").metadata.labels.exists(k, k.startsWith("example"))`, true},
		{`object("deployment/web").spec.template.spec.containers[0].image.endsWith("1.7.9")`, true},
		{`object("deployment/web").spec.template.spec.containers.exists(c, c.image.matches("^nginx:1[.]7[.]"))`, true},
		{`object("deployment/web").spec.template.spec.containers[0].resources.requests.cpu == "500m"`, true},
		{`object("deployment/web").spec.strategy.rollingUpdate.maxSurge == "25%"`, true},
		{`object("deployment/web").spec.template.spec.containers[0].ports[0].containerPort + 1 == 81`, true},
		{`object("deployment/web").metadata.creationTimestamp < timestamp("2026-11-23T11:30:00Z")`, true},
		{`string(object("deployment/web").spec.replicas) == "3" && object("deployment/web").spec.replicas in [3, 4u, 5.5]`, true},
		{`object("deployment/web").spec.replicas != null && object("deployment/web").spec.strategy.rollingUpdate.maxSurge != 3`, true},
		{`object("node/n1").metadata.name == "n1" && object("nodes", "", "n1") != null`, true},
		{`objects("pods").size() == 3`, true},
		{`objects("pods", "default").filter(p, p.status.phase == "Failed").size() == 1`, true},
		{`objects("po").all(p, p.status.containerStatuses[0].restartCount >= 2)`, true},
		{`objects("pods").exists_one(p, p.metadata.namespace == "other")`, true},
		{`objects("nodes", "whatever").size() == 1`, true},
		{`objects("pods").map(p, p.metadata.name).exists(n, n == "c")`, true},

		// What exists and is zero, JSON leaves out; here it is zero.
		{`object("deployment/web").status.availableReplicas == 0`, true},
		{`object("deployment/web").status.availableReplicas < object("deployment/web").spec.replicas`, true},
		{`!object("deployment/web").spec.paused`, true},
		{`object("deployment/web").status.conditions.size() == 0`, true},
		{`has(object("deployment/web").status.availableReplicas)`, false},
		{`has(object("deployment/web").spec.replicas)`, true},
		{`has(object("deployment/web").spec.progressDeadlineSeconds)`, false},
		{`has(object("deployment/web").metadata.labels.app)`, true},
		{`has(object("deployment/web").metadata.labels.nope)`, false},

		// What does not exist makes a comparison false, and not() true.
		{`object("deployment/gone").spec.replicas == 0`, false},
		{`object("deployment/gone").spec.replicas != 0`, false},
		{`!(object("deployment/gone").spec.replicas == 0)`, true},
		{`3 > object("deployment/gone").spec.replicas`, false},
		{`object("deployment/gone").spec.replicas + 1 > 0`, false},
		{`object("deployment/gone").spec.paused`, false},
		{`!object("deployment/gone").spec.paused`, true},
		{`object("deployment/gone").spec.paused || object("deployment/web").spec.replicas == 3`, true},
		{`object("deployment/gone").spec.paused ? false : true`, true},
		{`has(object("deployment/gone").spec.replicas)`, false},
		{`object("deployment/gone") == null`, true},
		{`null != object("deployment/web")`, true},
		{`object("deployment/web").spec.progressDeadlineSeconds == null`, true},
		{`object("deployment/gone").spec.template.spec.containers.all(c, c.image == "")`, false},
		{`object("deployment/web").spec.template.spec.containers[1].image == "nginx"`, false},
		{`object("deployment/web").spec.template.spec.containers[1].image.contains("nginx")`, false},
		{`"nope" in object("deployment/gone").metadata.labels`, false},
		{`object("deployment/web").metadata.labels.nope == "x"`, false},
		{`object("deployment/web").metadata.deletionTimestamp == null`, true},
		{`objects("pods", "nowhere").all(p, false)`, true},
		{`objects("pods", "nowhere").exists(p, true)`, false},

		{`event.fact == "DeploymentScaled" && event.seq == 42 && event.cause == 40 && event.verb == "patch" && event.via.contains("scale")`, true},
		{`event.actor.startsWith("user:") && event.reason == "Requested"`, true},
		{`event.object.kind == "Deployment" && event.object.resource == "deployments" && event.object.group == "apps"`, true},
		{`event.object.namespace == "default" && event.object.name == "web"`, true},
		{`event.time >= timestamp("2026-11-23T12:00:00Z") && event.time.getHours() == 12`, true},
		{`event.time - after.metadata.creationTimestamp == duration("1h")`, true},
		{`before == null && after != null && after.spec.replicas == 3`, true},
		{`before.spec.replicas != after.spec.replicas`, false},
		{`!has(before.spec) && has(after.spec)`, true},
		{`after == object("deployment/web")`, true},
		{`object("deployments", event.object.namespace, event.object.name).spec.replicas == 3`, true},
		{`object("pods", event.object.namespace, after.metadata.labels.nope) == null`, true},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			c, err := Compile(Config{Table: table}, test.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Holds(context.Background(), state, state.scaled())
			if err != nil || got != test.want {
				t.Errorf("got %v (%v), want %v", got, err, test.want)
			}
		})
	}
}

// TestE10Flaws checks that a mistake is told with its column and what is
// allowed there.
func TestE10Flaws(t *testing.T) {
	tests := []struct {
		text   string
		column int
		what   string // of the whole message
	}{
		{``, 1, "the expression is empty"},
		{`object("deployment/web"`, 24, "the end"},
		{`object("deployment/web").spec.replicas = 3`, 40, "token recognition error"},
		{`objekt("deployment/web") == null`, 7, "there is no 'objekt'; there may be: event, before, after, object"},
		{`evnt.seq == 1`, 1, "there is no 'evnt'"},
		{`object(3) == null`, 7, `there may be: object("deployment/web")`},
		{`objects("pods", "a", "b").size() > 1`, 8, `there may be: objects("pods")`},
		{`object("deployment/web").spec.replica == 3`, 30, "minReadySeconds, paused, progressDeadlineSeconds, replicas"},
		{`objects("pods").exists(p, p.status.phaze == "Failed")`, 35, "containerStatuses"},
		{`objects("pods").filter(p, p.status.phase == "Failed").all(p, p.spec.nodename == "n")`, 68, "nodeName"},
		{`object("deployment/web")["spek"].replicas == 1`, 25, "metadata, spec, status"},
		{`objects("pods").spec.nodeName == "n"`, 16, "a list has no fields; there may be: [0]"},
		{`object("deployment/web").spec.template.spec.containers.image == "x"`, 55, "a list has no fields"},
		{`object("deployment/web").spec.replicas.max == 1`, 39, `a int has no field "max"`},
		{`event.object.uid == ""`, 13, "group, kind, name, namespace, resource"},
		{`event.fakt == ""`, 6, "actor, cause, fact"},
		{`object("widget/web") == null`, 8, "there is no kind widget; there may be: namespaces, nodes, pods"},
		{`objects("leases").size() > 0`, 9, "are not in the log EVENTS"},
		{`object("web") == null`, 8, "KIND/NAME"},
		{`object("node/default/n1") == null`, 8, `in no namespace; there may be: object("node/n1")`},
		{`object("pod/" + event.object.name) == null`, 15, "must be written out"},
		{`objects(event.object.resource).size() == 1`, 21, "must be written out"},
		{`object("deployment/web").spec.replicas == "0"`, 40, "a number is compared with a text: they are never the same; there may be: numbers with numbers"},
		{`"0" != object("deployment/web").spec.replicas`, 5, "a text is compared with a number"},
		{`objects("pods").exists(p, p.status.phase == 3)`, 42, "a text is compared with a number"},
		{`object("deployment/web").spec.paused == "true"`, 38, "a truth is compared with a text"},
		{`object("deployment/web").spec.replicas in [1, "2"]`, 40, "a number is compared with a text"},
		{`object("deployment/web").metadata.labels["a"] == object("deployment/web").spec.replicas`, 47, "a text is compared with a number"},
		{`event.seq == "42"`, 11, "a number is compared with a text"},
		{`3 + 4`, 1, "is a int"},
		{`"a" < 3`, 5, "values of the same type"},
		{strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), 0, "ecursion"},
		{strings.Repeat("true || ", 600) + "true", 0, "longer than 4096"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			_, err := Compile(Config{Table: table}, test.text)
			var flaw *Flaw
			if !errors.As(err, &flaw) {
				t.Fatalf("got %v, want a flaw", err)
			}
			if test.column > 0 && flaw.Column != test.column {
				t.Errorf("got column %d, want %d", flaw.Column, test.column)
			}
			if !strings.Contains(err.Error(), test.what) {
				t.Errorf("got %v, want in it: %s", err, test.what)
			}
		})
	}
}

// TestE10FlawsAtWork checks mistakes that only show when an expression meets an
// object.
func TestE10FlawsAtWork(t *testing.T) {
	state := clusterOf(web(nil))
	tests := []struct {
		text   string
		column int
		what   string
	}{
		{`object("deployment/web").spec.replicas > "3"`, 40, "cannot be computed with these types; there may be: numbers with numbers"},
		{`object("deployment/web").spec.replicas`, 1, "the expression is a int; there may be: one that is true or false"},
		{`object("deployment/web").spec.replicas / 0 == 1`, 40, "division by zero"},
		{`object("pods", after.spec.replicas, "x") == null`, 7, "cannot be computed"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			c, err := Compile(Config{Table: table}, test.text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Holds(context.Background(), state, state.scaled())
			var flaw *Flaw
			if !errors.As(err, &flaw) || flaw.Column != test.column || !strings.Contains(err.Error(), test.what) {
				t.Errorf("got %v, want column %d and in it: %s", err, test.column, test.what)
			}
		})
	}
}
