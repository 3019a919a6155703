package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"segno/cli/api/logs"
	"segno/cli/archive"
)

// Files of the data directory that make a cluster the same again, beside its logs.
// What is not here is made anew, or lies in the logs.
var (
	// keyFiles prove who the cluster, its owner and its own node are.
	keyFiles = []string{"pki/*", "node/" + credentialFile, kubeconfigFile}
	// settingFiles remember what was asked for.
	settingFiles = []string{"node/" + simulatedFile, "node/" + engineFile, keepFile}
)

// kubeconfigFile remembers where the cluster was found, for clients that do.
const kubeconfigFile = "kubeconfig"

// Backup implements api.Backuper.
func (c *Cluster) Backup(ctx context.Context, w io.Writer, keys bool) error {
	patterns := settingFiles
	if keys {
		patterns = append(patterns[:len(patterns):len(patterns)], keyFiles...)
	}
	files, err := keptFiles(c.cfg.DataDir, patterns)
	if err != nil {
		return err
	}
	is, err := c.audit.Extent(ctx)
	if err != nil {
		return err
	}
	return c.logs.Backup(ctx, w, logs.Beside{Keys: keys, Files: files, Audit: &archive.Audit{
		AuditBounds: archive.AuditBounds{Keep: is.Keep, MaxBytes: is.MaxBytes}, Messages: c.audit.Messages(ctx),
	}})
}

// keptFiles reads those of a data directory that match. A cluster in memory has none.
func keptFiles(dir string, patterns []string) ([]archive.File, error) {
	if dir == "" {
		return nil, nil
	}
	var out []archive.File
	for _, pattern := range patterns {
		names, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if errors.Is(err, fs.ErrNotExist) {
				continue // replaced or gone meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			out = append(out, archive.File{Name: name, Data: data})
		}
	}
	return out, nil
}

// restorable tells whether a file of a backup is one that a backup has: its name
// says where it is written.
func restorable(name string) bool {
	for _, patterns := range [][]string{keyFiles, settingFiles} {
		for _, pattern := range patterns {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				return path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name))
			}
		}
	}
	return false
}
