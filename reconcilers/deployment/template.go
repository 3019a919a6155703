package deployment

import (
	"fmt"
	"hash/fnv"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/rand"
)

// hashLabel tells the pods of one template from those of another.
const hashLabel = appsv1.DefaultDeploymentUniqueLabelKey

// sameTemplate compares templates but for the label that tells them apart.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	return equality.Semantic.DeepEqual(withoutHash(a), withoutHash(b))
}

func withoutHash(t *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	bare := *t
	bare.Labels = maps.Clone(t.Labels)
	delete(bare.Labels, hashLabel)
	return &bare
}

// hashOf names a template. Collisions are counted in.
func hashOf(t *corev1.PodTemplateSpec, collisions *int32) (string, error) {
	data, err := t.Marshal()
	if err != nil {
		return "", fmt.Errorf("hash a pod template: %w", err)
	}
	sum := fnv.New32a()
	sum.Write(data)
	if collisions != nil {
		fmt.Fprintf(sum, "/%d", *collisions)
	}
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32())), nil
}
