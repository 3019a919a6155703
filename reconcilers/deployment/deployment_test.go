package deployment_test

import (
	"testing"
	"testing/synctest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/deployment"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/replicaset"
)

// The ReplicaSets of the scripts have their own reconciler behind them, so that
// a rollout meets what it would meet in a cluster.
func loops() []reconcilers.Reconciler {
	return []reconcilers.Reconciler{deployment.New(), replicaset.New()}
}

func TestW2DeploymentScripts(t *testing.T) { world.Run(t, "w2-*.txtar", loops) }

func TestW3RevisionScripts(t *testing.T) { world.Run(t, "w3-*.txtar", loops) }

func TestW4ScalingScripts(t *testing.T) { world.Run(t, "w4-*.txtar", loops) }

// Somebody changes the template while the first set is being made: nothing comes
// of what was decided before, and nobody claims to have seen the change.
func TestW2NothingOfAStalePlanIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		labels := map[string]string{"app": "web"}
		key := reconcilers.Deployments.Key("default", "web")
		w.Create(t, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "before"}}},
				},
			},
		})
		loop := w.Loop(t, deployment.New())
		sent := 0
		w.Refuse = func(cmd events.Command) error {
			if cmd.Actor != "system:deployment" {
				return nil
			}
			if sent++; sent == 1 {
				w.Change(t, key, func(obj events.Object) { obj.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = "after" })
				return nil
			}
			d, _, err := events.GetAs[*appsv1.Deployment](w.View(), key)
			if err != nil {
				t.Fatal(err)
			}
			if sent == 2 && d.Status.ObservedGeneration != 0 {
				t.Errorf("generation %d is claimed to be seen", d.Status.ObservedGeneration)
			}
			return nil
		}
		w.CatchUp(t, loop)
		sets, err := events.ListAs[*appsv1.ReplicaSet](w.View(), events.Query{Resource: reconcilers.ReplicaSets})
		if err != nil {
			t.Fatal(err)
		}
		if len(sets) != 1 || sets[0].Spec.Template.Spec.Containers[0].Image != "after" {
			t.Errorf("%d sets, want one of the template as it is now", len(sets))
		}
		d, _, err := events.GetAs[*appsv1.Deployment](w.View(), key)
		if err != nil || d.Status.ObservedGeneration != d.Generation {
			t.Errorf("seen is generation %d of %d, %v", d.Status.ObservedGeneration, d.Generation, err)
		}
	})
}
