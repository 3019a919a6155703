package kinds

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/events"
	"segno/proto"
)

// Defaults of a Deployment.
const (
	defaultSurge            = "25%"
	defaultRevisions        = 10
	defaultProgressDeadline = 600
)

func deploymentKind() *events.Kind {
	return &events.Kind{
		GVK:        appsv1.SchemeGroupVersion.WithKind("Deployment"),
		Resource:   resourceOf(appsv1.SchemeGroupVersion, "deployments"),
		Singular:   "deployment",
		ShortNames: []string{"deploy"},
		Categories: []string{"all"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &appsv1.Deployment{} },
		NewList: func() runtime.Object { return &appsv1.DeploymentList{} },

		HasStatus:    true,
		Subresources: []string{"scale"},

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultDeployment),
		PrepareCreate:  one(prepareDeployment),
		PrepareUpdate:  two(prepareDeploymentUpdate),
		Validate:       check(validateDeployment),
		ValidateUpdate: compare(validateDeploymentUpdate),
		ValidateStatus: compare(validateDeploymentStatus),
		Warn: warn(func(obj, old *appsv1.Deployment) []string {
			if old == nil {
				return warnPodTemplate(&obj.Spec.Template, nil)
			}
			return warnPodTemplate(&obj.Spec.Template, &old.Spec.Template)
		}),
		Classify: classify(classifyDeployment),
		Columns: slices.Concat([]metav1.TableColumnDefinition{
			nameColumn,
			text("Ready", "Number of the pod with ready state"),
			text("Up-to-date", appsv1.DeploymentStatus{}.SwaggerDoc()["updatedReplicas"]),
			text("Available", appsv1.DeploymentStatus{}.SwaggerDoc()["availableReplicas"]),
			ageColumn,
		}, workloadColumns(appsv1.DeploymentSpec{}.SwaggerDoc()["selector"])),
		Row: row(deploymentRow),
	}
}

func defaultDeployment(deployment *appsv1.Deployment) {
	spec := &deployment.Spec
	defaultPodTemplate(&spec.Template)
	fillPointer(&spec.Replicas, 1)
	fillPointer(&spec.RevisionHistoryLimit, defaultRevisions)
	fillPointer(&spec.ProgressDeadlineSeconds, defaultProgressDeadline)
	fill(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		fillPointer(&spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		fillPointer(&spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString(defaultSurge))
		fillPointer(&spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString(defaultSurge))
	}
}

func prepareDeployment(deployment *appsv1.Deployment) {
	deployment.Generation = 1
	deployment.Status = appsv1.DeploymentStatus{}
}

// prepareDeploymentUpdate counts a change of annotations too: that is how a
// rollout carries what changed.
func prepareDeploymentUpdate(deployment, old *appsv1.Deployment) {
	deployment.Status = old.Status
	raiseGeneration(deployment, old, !equality.Semantic.DeepEqual(deployment.Spec, old.Spec) ||
		!equality.Semantic.DeepEqual(deployment.Annotations, old.Annotations))
}

// classifyDeployment names the change of a spec when it is of one sort; status
// changes are named by what the rollout came to.
func classifyDeployment(before, after *appsv1.Deployment, section proto.Section) (fact, reason string) {
	if section == proto.SectionStatus {
		return classifyRollout(before, after)
	}
	was, is := before.Spec.DeepCopy(), after.Spec.DeepCopy()
	if !equality.Semantic.DeepEqual(was.Template, is.Template) {
		if onlyImagesDiffer(&was.Template, &is.Template) {
			return string(events.DeploymentTemplateChanged), "ImageChanged"
		}
		return string(events.DeploymentTemplateChanged), "TemplateChanged"
	}
	if was.Paused != is.Paused {
		if is.Paused {
			return string(events.DeploymentPaused), "Paused"
		}
		return string(events.DeploymentResumed), "Resumed"
	}
	replicas := deref(was.Replicas, 1) != deref(is.Replicas, 1)
	was.Replicas = is.Replicas
	if replicas && equality.Semantic.DeepEqual(was, is) {
		return string(events.DeploymentScaled), scaleReason(deref(before.Spec.Replicas, 1), deref(after.Spec.Replicas, 1))
	}
	return "", ""
}

// classifyRollout watches the Progressing condition.
func classifyRollout(before, after *appsv1.Deployment) (fact, reason string) {
	was, is := progressing(before), progressing(after)
	if was == is {
		return "", ""
	}
	switch is {
	case "NewReplicaSetAvailable":
		return string(events.DeploymentCompleted), is
	case "ProgressDeadlineExceeded":
		return string(events.DeploymentStalled), is
	default:
		return "", ""
	}
}

func progressing(deployment *appsv1.Deployment) string {
	for _, c := range deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return c.Reason
		}
	}
	return ""
}

func deploymentRow(deployment *appsv1.Deployment, now time.Time) []any {
	spec, status := &deployment.Spec, &deployment.Status
	return append([]any{
		deployment.Name, ratio(status.ReadyReplicas, deref(spec.Replicas, 1)),
		int64(status.UpdatedReplicas), int64(status.AvailableReplicas), age(deployment.CreationTimestamp, now),
	}, workloadCells(&spec.Template, spec.Selector)...)
}
