package kinds

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// tokenExpirationSeconds is how long a projected service account token lives.
const tokenExpirationSeconds = 3600

func defaultVolume(volume *corev1.Volume) {
	source := &volume.VolumeSource
	if volumeSources(*source) == 0 {
		source.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	if source.Secret != nil {
		fillPointer(&source.Secret.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	}
	if source.ConfigMap != nil {
		fillPointer(&source.ConfigMap.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	}
	if source.DownwardAPI != nil {
		fillPointer(&source.DownwardAPI.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		defaultDownward(source.DownwardAPI.Items)
	}
	if source.Projected != nil {
		defaultProjected(source.Projected)
	}
	if source.HostPath != nil {
		fillPointer(&source.HostPath.Type, corev1.HostPathUnset)
	}
	if source.Image != nil {
		fill(&source.Image.PullPolicy, pullPolicy(source.Image.Reference))
	}
	if source.ISCSI != nil {
		fill(&source.ISCSI.ISCSIInterface, "default")
	}
	if source.Ephemeral != nil && source.Ephemeral.VolumeClaimTemplate != nil {
		fillPointer(&source.Ephemeral.VolumeClaimTemplate.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
	}
	defaultCloudVolume(source)
}

func defaultProjected(projected *corev1.ProjectedVolumeSource) {
	fillPointer(&projected.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
	for i := range projected.Sources {
		if token := projected.Sources[i].ServiceAccountToken; token != nil {
			fillPointer(&token.ExpirationSeconds, tokenExpirationSeconds)
		}
		if downward := projected.Sources[i].DownwardAPI; downward != nil {
			defaultDownward(downward.Items)
		}
	}
}

func defaultDownward(items []corev1.DownwardAPIVolumeFile) {
	for i := range items {
		defaultFieldRef(items[i].FieldRef)
	}
}

// defaultCloudVolume covers volume types that segno stores but does not mount.
func defaultCloudVolume(source *corev1.VolumeSource) {
	if rbd := source.RBD; rbd != nil {
		fill(&rbd.RBDPool, "rbd")
		fill(&rbd.RadosUser, "admin")
		fill(&rbd.Keyring, "/etc/ceph/keyring")
	}
	if disk := source.AzureDisk; disk != nil {
		fillPointer(&disk.CachingMode, corev1.AzureDataDiskCachingReadWrite)
		fillPointer(&disk.Kind, corev1.AzureSharedBlobDisk)
		fillPointer(&disk.FSType, "ext4")
		fillPointer(&disk.ReadOnly, false)
	}
	if scale := source.ScaleIO; scale != nil {
		fill(&scale.StorageMode, "ThinProvisioned")
		fill(&scale.FSType, "xfs")
	}
}

// volumeSources counts the sources of a volume; each field is a pointer to one.
func volumeSources(source corev1.VolumeSource) int {
	count := 0
	value := reflect.ValueOf(source)
	for i := range value.NumField() {
		if !value.Field(i).IsNil() {
			count++
		}
	}
	return count
}
