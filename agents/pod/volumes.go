package pod

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// Volumes keeps the volumes of pods in one folder of the node, a folder a
// pod. Without a folder (simulated nodes) nothing is made.
type Volumes struct{ Dir string }

func (v Volumes) of(uid string) string { return filepath.Join(v.Dir, uid) }

// remove deletes what the pod's own volumes held.
func (v Volumes) remove(uid string) error {
	if v.Dir == "" || uid == "" {
		return nil
	}
	return os.RemoveAll(v.of(uid))
}

// mounts makes sure that what the container mounts is there, and says where.
func (v Volumes) mounts(pod *corev1.Pod, c *corev1.Container, vars map[string]string) ([]runtime.Mount, error) {
	var out []runtime.Mount
	for _, m := range c.VolumeMounts {
		volume := volumeNamed(pod, m.Name)
		if volume == nil {
			return nil, because(createConfigError, "volume mount %s: the pod has no such volume", m.Name)
		}
		source, err := v.source(pod, volume)
		if err != nil {
			return nil, because(createConfigError, "volume %s: %w", m.Name, err)
		}
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, vars)
		}
		if source, err = v.inside(source, sub); err != nil {
			return nil, because(createConfigError, "volume %s: %w", m.Name, err)
		}
		out = append(out, runtime.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly})
	}
	return out, nil
}

func volumeNamed(pod *corev1.Pod, name string) *corev1.Volume {
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == name {
			return &pod.Spec.Volumes[i]
		}
	}
	return nil
}

func (v Volumes) source(pod *corev1.Pod, volume *corev1.Volume) (string, error) {
	switch {
	case volume.EmptyDir != nil && volume.EmptyDir.Medium == corev1.StorageMediumDefault:
		dir := filepath.Join(v.of(string(pod.UID)), volume.Name)
		if v.Dir == "" {
			return dir, nil
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return "", err
		}
		return dir, os.Chmod(dir, 0o777) // beside umask: containers run as anybody
	case volume.HostPath != nil:
		if v.Dir == "" {
			return volume.HostPath.Path, nil
		}
		return volume.HostPath.Path, checkHostPath(volume.HostPath)
	default:
		return "", fmt.Errorf("only emptyDir (on disk) and hostPath volumes are supported by this version of segno")
	}
}

// checkHostPath holds the path against the type that the volume asks for.
func checkHostPath(h *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	switch kind {
	case corev1.HostPathDirectoryOrCreate:
		return os.MkdirAll(h.Path, 0o755)
	case corev1.HostPathFileOrCreate:
		f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	case corev1.HostPathUnset:
		return nil
	default:
	}
	info, err := os.Stat(h.Path)
	if err != nil {
		return err
	}
	is := map[corev1.HostPathType]bool{
		corev1.HostPathDirectory: info.IsDir(),
		corev1.HostPathFile:      info.Mode().IsRegular(),
		corev1.HostPathSocket:    info.Mode()&os.ModeSocket != 0,
		corev1.HostPathCharDev:   info.Mode()&os.ModeCharDevice != 0,
		corev1.HostPathBlockDev:  info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0,
	}
	if !is[kind] {
		return fmt.Errorf("%s is not a %s", h.Path, kind)
	}
	return nil
}

// inside answers a path below the volume, made when it is missing. A symbolic
// link must not lead out of it. What remains: the engine, another process,
// resolves the path once more when the container starts, and a container that
// shares the volume may have put a link in its way by then.
func (v Volumes) inside(source, sub string) (string, error) {
	if sub == "" {
		return source, nil
	}
	if filepath.IsAbs(sub) || strings.Contains("/"+filepath.ToSlash(sub)+"/", "/../") {
		return "", fmt.Errorf("subPath %q leads out of the volume", sub)
	}
	if v.Dir == "" {
		return filepath.Join(source, sub), nil
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	if _, err := root.Stat(sub); os.IsNotExist(err) {
		if err := root.MkdirAll(sub, 0o750); err != nil {
			return "", fmt.Errorf("subPath %q: %w", sub, err)
		}
	} else if err != nil {
		return "", fmt.Errorf("subPath %q: %w", sub, err)
	}
	return resolve(source, sub)
}

// resolve follows the links below a folder, and refuses to leave it.
func resolve(source, sub string) (string, error) {
	top, err := filepath.EvalSymlinks(source)
	if err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(filepath.Join(top, sub))
	if err != nil {
		return "", fmt.Errorf("subPath %q: %w", sub, err)
	}
	if way, err := filepath.Rel(top, path); err != nil || !filepath.IsLocal(way) {
		return "", fmt.Errorf("subPath %q leads out of the volume", sub)
	}
	return path, nil
}
