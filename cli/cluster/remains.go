package cluster

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"segno/agents/network"
	"segno/agents/runtime/docker"
	"segno/agents/services"
	"segno/bus"
)

// Remains is what a cluster, or a node that joined one, had on this machine beside
// its data directory, and what of it could not be removed.
type Remains struct {
	Containers int
	Bridges    []string
	Problems   []error
}

// scopeOf tells a cluster's containers and bridges from those of others on one machine.
func scopeOf(authority *x509.Certificate) string { return bus.Fingerprint(authority)[:scopeDigits] }

const scopeDigits = 12 // of the authority's fingerprint

// RemoveRemains removes the containers and bridges of a cluster that has
// stopped for good. What cannot be removed does not hold up the rest.
func RemoveRemains(ctx context.Context, dataDir string) Remains {
	var out Remains
	scope, err := keptScope(dataDir)
	if err != nil {
		out.Problems = append(out.Problems, fmt.Errorf("the cluster's containers and bridges are not looked for: %w", err))
	}
	if scope != "" {
		out.remove(ctx, scope, "", nodeDir(dataDir))
	}
	return out
}

// remove takes away what a cluster has on this machine, or one node of it when it
// is named, whose folder is dir.
func (out *Remains) remove(ctx context.Context, scope, node, dir string) {
	var err error
	label, bridge := "label=segno.scope="+scope, ""
	if node != "" {
		label, bridge = label+" --filter label=segno.node="+node, network.NameFor(scope, node)
	}
	if host, used := keptEngine(dir); used {
		if out.Containers, err = docker.RemoveScope(ctx, host, scope, node); err != nil {
			out.Problems = append(out.Problems, fmt.Errorf(
				"containers of the cluster may be left (%w); remove them later with: docker rm -f $(docker ps -aq --filter %s)", err, label))
		}
	}
	if out.Bridges, err = network.RemoveOf(scope, bridge); err != nil {
		out.Problems = append(out.Problems, fmt.Errorf("a bridge of the cluster may be left: %w", err))
	}
	if err := services.Remove(ctx); err != nil {
		out.Problems = append(out.Problems, fmt.Errorf("what served the cluster's Services may be left: %w", err))
	}
}

// keptScope reads it from the cluster's authority; "" when it never had one.
func keptScope(dataDir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dataDir, "pki", "ca.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the cluster's authority: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return "", errors.New("read the cluster's authority: it is not PEM")
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("read the cluster's authority: %w", err)
	}
	return scopeOf(authority), nil
}

// engineFile, in a node's folder, says at which engine its containers are.
const engineFile = "engine"

func keepEngine(nodeDir, host string) error {
	if err := os.MkdirAll(nodeDir, 0o700); err != nil {
		return fmt.Errorf("make the node's folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(nodeDir, engineFile), []byte(host+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the engine's address: %w", err)
	}
	return nil
}

// nodeDir is the folder of a cluster's own node.
func nodeDir(dataDir string) string { return filepath.Join(dataDir, "node") }

// keptEngine is the engine of a node; false when it never had containers.
func keptEngine(nodeDir string) (host string, used bool) {
	data, err := os.ReadFile(filepath.Join(nodeDir, engineFile))
	return strings.TrimSpace(string(data)), err == nil
}

// hasContainers tells whether this machine has been the cluster's node: with
// containers of its own, which may run without it.
func hasContainers(dataDir string) bool {
	_, used := keptEngine(nodeDir(dataDir))
	_, err := os.Stat(filepath.Join(nodeDir(dataDir), credentialFile))
	return used || err == nil
}
