package kinds

import (
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const maxFileMode = 0o777

// volumeNames are the volumes that containers of the pod may mount.
func volumeNames(volumes []corev1.Volume) sets.Set[string] {
	names := sets.New[string]()
	for i := range volumes {
		names.Insert(volumes[i].Name)
	}
	return names
}

func validateVolumes(at *field.Path, volumes []corev1.Volume) field.ErrorList {
	names := sets.New[string]()
	return each(at, volumes, func(at *field.Path, volume *corev1.Volume) field.ErrorList {
		errs := named(at.Child("name"), volume.Name, dnsLabel)
		if len(errs) == 0 {
			errs = unique(at.Child("name"), volume.Name, names)
		}
		return append(errs, validateVolumeSource(at, &volume.VolumeSource)...)
	})
}

func validateVolumeSource(at *field.Path, source *corev1.VolumeSource) field.ErrorList {
	errs := exactlyOne(at, "must specify a volume type", "may not specify more than 1 volume type", volumeAlternatives(source)...)
	if source.HostPath != nil {
		errs = append(errs, validateHostPath(at.Child("hostPath"), source.HostPath)...)
	}
	if source.EmptyDir != nil && source.EmptyDir.SizeLimit != nil {
		size := source.EmptyDir.SizeLimit
		errs = append(errs, only(size.Sign() < 0, field.Forbidden(at.Child("emptyDir").Child("sizeLimit"), "SizeLimit field must be a valid resource quantity"))...)
	}
	if secret := source.Secret; secret != nil {
		at := at.Child("secret")
		errs = append(errs, required(at.Child("secretName"), secret.SecretName)...)
		errs = append(errs, validateItems(at, secret.DefaultMode, secret.Items)...)
	}
	if config := source.ConfigMap; config != nil {
		at := at.Child("configMap")
		errs = append(errs, required(at.Child("name"), config.Name)...)
		errs = append(errs, validateItems(at, config.DefaultMode, config.Items)...)
	}
	if source.DownwardAPI != nil {
		errs = append(errs, validateMode(at.Child("downwardAPI").Child("defaultMode"), source.DownwardAPI.DefaultMode)...)
		errs = append(errs, each(at.Child("downwardAPI").Child("items"), source.DownwardAPI.Items, validateDownwardFile)...)
	}
	if source.Projected != nil {
		errs = append(errs, validateProjected(at.Child("projected"), source.Projected)...)
	}
	if claim := source.PersistentVolumeClaim; claim != nil {
		errs = append(errs, required(at.Child("persistentVolumeClaim").Child("claimName"), claim.ClaimName)...)
	}
	if nfs := source.NFS; nfs != nil {
		errs = append(errs, required(at.Child("nfs").Child("server"), nfs.Server)...)
		errs = append(errs, validateAbsolute(at.Child("nfs").Child("path"), nfs.Path)...)
	}
	if csi := source.CSI; csi != nil {
		errs = append(errs, required(at.Child("csi").Child("driver"), csi.Driver)...)
	}
	if image := source.Image; image != nil {
		errs = append(errs, required(at.Child("image").Child("reference"), image.Reference)...)
		errs = append(errs, oneOf(at.Child("image").Child("pullPolicy"), image.PullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	}
	return errs
}

// volumeAlternatives are the sources under the names they have in JSON.
func volumeAlternatives(source *corev1.VolumeSource) []alternative {
	value := reflect.ValueOf(source).Elem()
	alternatives := make([]alternative, 0, value.NumField())
	for i := range value.NumField() {
		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		alternatives = append(alternatives, alternative{name, !value.Field(i).IsNil()})
	}
	return alternatives
}

func validateHostPath(at *field.Path, host *corev1.HostPathVolumeSource) field.ErrorList {
	if host.Path == "" {
		return field.ErrorList{field.Required(at.Child("path"), "")}
	}
	return append(validateNoBacksteps(at.Child("path"), host.Path),
		oneOfOrEmpty(at.Child("type"), deref(host.Type, ""),
			corev1.HostPathUnset, corev1.HostPathBlockDev, corev1.HostPathCharDev, corev1.HostPathDirectory,
			corev1.HostPathDirectoryOrCreate, corev1.HostPathFile, corev1.HostPathFileOrCreate, corev1.HostPathSocket)...)
}

func validateItems(at *field.Path, mode *int32, items []corev1.KeyToPath) field.ErrorList {
	return append(validateMode(at.Child("defaultMode"), mode),
		each(at.Child("items"), items, func(at *field.Path, item *corev1.KeyToPath) field.ErrorList {
			return slices.Concat(
				required(at.Child("key"), item.Key),
				validateFilePath(at.Child("path"), item.Path),
				validateMode(at.Child("mode"), item.Mode),
			)
		})...)
}

func validateMode(at *field.Path, mode *int32) field.ErrorList {
	bad := mode != nil && (*mode < 0 || *mode > maxFileMode)
	return only(bad, field.Invalid(at, deref(mode, 0), "must be a number between 0 and 0777 (octal), both inclusive"))
}

func validateDownwardFile(at *field.Path, file *corev1.DownwardAPIVolumeFile) field.ErrorList {
	errs := validateFilePath(at.Child("path"), file.Path)
	switch {
	case file.FieldRef != nil && file.ResourceFieldRef != nil:
		errs = append(errs, field.Invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
	case file.FieldRef != nil:
		errs = append(errs, validateFieldRef(at.Child("fieldRef"), file.FieldRef, fileFieldPaths)...)
	case file.ResourceFieldRef != nil:
		errs = append(errs, validateResourceRef(at.Child("resourceFieldRef"), file.ResourceFieldRef, true)...)
	default:
		errs = append(errs, field.Required(at, "one of fieldRef and resourceFieldRef is required"))
	}
	return append(errs, validateMode(at.Child("mode"), file.Mode)...)
}

func validateProjected(at *field.Path, projected *corev1.ProjectedVolumeSource) field.ErrorList {
	return append(validateMode(at.Child("defaultMode"), projected.DefaultMode),
		each(at.Child("sources"), projected.Sources, validateProjection)...)
}

func validateProjection(at *field.Path, source *corev1.VolumeProjection) field.ErrorList {
	errs := exactlyOne(at, "must specify a volume source", "may not specify more than 1 volume type",
		alternative{"secret", source.Secret != nil}, alternative{"configMap", source.ConfigMap != nil},
		alternative{"downwardAPI", source.DownwardAPI != nil}, alternative{"serviceAccountToken", source.ServiceAccountToken != nil},
		alternative{"clusterTrustBundle", source.ClusterTrustBundle != nil}, alternative{"podCertificate", source.PodCertificate != nil})
	if source.Secret != nil {
		errs = append(errs, required(at.Child("secret").Child("name"), source.Secret.Name)...)
		errs = append(errs, validateItems(at.Child("secret"), nil, source.Secret.Items)...)
	}
	if source.ConfigMap != nil {
		errs = append(errs, required(at.Child("configMap").Child("name"), source.ConfigMap.Name)...)
		errs = append(errs, validateItems(at.Child("configMap"), nil, source.ConfigMap.Items)...)
	}
	if source.DownwardAPI != nil {
		errs = append(errs, each(at.Child("downwardAPI").Child("items"), source.DownwardAPI.Items, validateDownwardFile)...)
	}
	if token := source.ServiceAccountToken; token != nil {
		at := at.Child("serviceAccountToken")
		const least, most = 10 * 60, 1 << 32
		seconds := deref(token.ExpirationSeconds, tokenExpirationSeconds)
		errs = append(errs, only(seconds < least, field.Invalid(at.Child("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes"))...)
		errs = append(errs, only(seconds > most, field.Invalid(at.Child("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds"))...)
		errs = append(errs, validateFilePath(at.Child("path"), token.Path)...)
	}
	return errs
}

// validateMounts checks that what a container mounts is there and that no two
// mounts meet at one path.
func validateMounts(at *field.Path, c *corev1.Container, volumes sets.Set[string]) field.ErrorList {
	taken := sets.New[string]()
	free := func(at *field.Path, place string) field.ErrorList {
		if taken.Has(place) {
			return field.ErrorList{field.Invalid(at, place, "must be unique")}
		}
		taken.Insert(place)
		return nil
	}
	errs := each(at.Child("volumeMounts"), c.VolumeMounts, func(at *field.Path, mount *corev1.VolumeMount) field.ErrorList {
		return slices.Concat(
			validateMounted(at, mount.Name, volumes),
			required(at.Child("mountPath"), mount.MountPath),
			free(at.Child("mountPath"), mount.MountPath),
			validateSubPath(at, mount),
			oneOfOrEmpty(at.Child("mountPropagation"), deref(mount.MountPropagation, ""),
				corev1.MountPropagationBidirectional, corev1.MountPropagationHostToContainer, corev1.MountPropagationNone),
		)
	})
	return append(errs, each(at.Child("volumeDevices"), c.VolumeDevices, func(at *field.Path, device *corev1.VolumeDevice) field.ErrorList {
		return slices.Concat(
			validateMounted(at, device.Name, volumes),
			required(at.Child("devicePath"), device.DevicePath),
			free(at.Child("devicePath"), device.DevicePath),
		)
	})...)
}

func validateMounted(at *field.Path, name string, volumes sets.Set[string]) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at.Child("name"), "")}
	}
	return only(!volumes.Has(name), field.NotFound(at.Child("name"), name))
}

func validateSubPath(at *field.Path, mount *corev1.VolumeMount) field.ErrorList {
	switch {
	case mount.SubPath != "" && mount.SubPathExpr != "":
		return field.ErrorList{field.Invalid(at.Child("subPathExpr"), mount.SubPathExpr, "subPathExpr and subPath are mutually exclusive")}
	case mount.SubPath != "":
		return validateDescending(at.Child("subPath"), mount.SubPath)
	case mount.SubPathExpr != "":
		return validateDescending(at.Child("subPathExpr"), mount.SubPathExpr)
	}
	return nil
}

// validateDescending checks a path that may not leave the folder it starts in.
func validateDescending(at *field.Path, p string) field.ErrorList {
	return append(only(path.IsAbs(p), field.Invalid(at, p, "must be a relative path")), validateNoBacksteps(at, p)...)
}

func validateRelative(at *field.Path, p string) field.ErrorList {
	if p == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validateDescending(at, p)
}

// validateFilePath checks the path of a file inside a volume.
func validateFilePath(at *field.Path, p string) field.ErrorList {
	hides := strings.HasPrefix(p, "..") && !strings.HasPrefix(p, "../")
	return append(validateRelative(at, p), only(hides, field.Invalid(at, p, "must not start with '..'"))...)
}

func validateAbsolute(at *field.Path, p string) field.ErrorList {
	if p == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return only(!path.IsAbs(p), field.Invalid(at, p, "must be an absolute path"))
}

func validateNoBacksteps(at *field.Path, p string) field.ErrorList {
	return only(slices.Contains(strings.Split(p, "/"), ".."), field.Invalid(at, p, "must not contain '..'"))
}
