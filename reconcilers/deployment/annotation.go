package deployment

import (
	"maps"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that kubectl reads, and that tell what a set was sized for.
const (
	revisionAnnotation  = "deployment.kubernetes.io/revision"
	revisionsAnnotation = "deployment.kubernetes.io/revision-history"
	desiredAnnotation   = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation       = "deployment.kubernetes.io/max-replicas"
	rollbackAnnotation  = "deprecated.deployment.rollback.to"
)

// longestHistory bounds the revisions that a set remembers of itself.
const longestHistory = 2000

// notCopied are the annotations of a Deployment that say nothing about a set.
var notCopied = map[string]bool{
	corev1.LastAppliedConfigAnnotation: true,
	revisionAnnotation:                 true,
	revisionsAnnotation:                true,
	desiredAnnotation:                  true,
	maxAnnotation:                      true,
	rollbackAnnotation:                 true,
}

// revisionOf is the revision of a set; 0 when it has none.
func revisionOf(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// annotateSize remembers what the Deployment asked for when the set got its
// size; proportional scaling starts from that.
func annotateSize(rs *appsv1.ReplicaSet, desired, most int32) {
	metav1.SetMetaDataAnnotation(&rs.ObjectMeta, desiredAnnotation, strconv.Itoa(int(desired)))
	metav1.SetMetaDataAnnotation(&rs.ObjectMeta, maxAnnotation, strconv.Itoa(int(most)))
}

// sizedFor reads what annotateSize has written; ok is false when nobody has.
func sizedFor(rs *appsv1.ReplicaSet, annotation string) (n int32, ok bool) {
	parsed, err := strconv.ParseInt(rs.Annotations[annotation], 10, 32)
	return int32(parsed), err == nil
}

// copyAnnotations gives a set what its Deployment is annotated with, the cause of
// the change among it.
func copyAnnotations(rs *appsv1.ReplicaSet, d *appsv1.Deployment) {
	for key, value := range d.Annotations {
		if !notCopied[key] {
			metav1.SetMetaDataAnnotation(&rs.ObjectMeta, key, value)
		}
	}
}

// raiseRevision gives a set a higher revision; the one it had goes into its
// history.
func raiseRevision(rs *appsv1.ReplicaSet, to int64) {
	was := revisionOf(rs)
	if was >= to {
		return
	}
	rs.Annotations = maps.Clone(rs.Annotations)
	metav1.SetMetaDataAnnotation(&rs.ObjectMeta, revisionAnnotation, strconv.FormatInt(to, 10))
	if was == 0 {
		return
	}
	history := strconv.FormatInt(was, 10)
	if before := rs.Annotations[revisionsAnnotation]; before != "" {
		history = before + "," + history
	}
	for len(history) > longestHistory {
		_, rest, more := strings.Cut(history, ",")
		if !more {
			break
		}
		history = rest
	}
	rs.Annotations[revisionsAnnotation] = history
}
