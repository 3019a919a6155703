package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"segno/agents/runtime/docker"
	"segno/cli/internal/replace"
	"segno/proto"
)

// nameNode is who the node of a folder is: the one that the folder is of, else
// the one that was asked for, else the machine's.
func nameNode(asked proto.NodeName, dir string) (proto.NodeName, error) {
	kept, _, err := keptAdmission(filepath.Join(dir, credentialFile))
	if err != nil {
		return "", err
	}
	name := proto.NodeName(strings.TrimPrefix(string(kept.Actor), string(proto.NodeActor(""))))
	switch {
	case name != "" && asked != "" && asked != name:
		return "", fmt.Errorf("the folder %s is that of the node %s: to go on as %s, leave the name %s out; for a node %s, take another folder with --data-dir",
			dir, name, name, asked, asked)
	case name != "":
		return name, nil
	case asked != "":
		return asked, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name the node: %w", err)
	}
	return proto.NodeName(strings.ToLower(host)), nil
}

// simulatedFile, in the folder of a cluster's own node, says how many were
// simulated in its place.
const simulatedFile = "simulated"

// recall takes from before what is not asked for now: the number of simulated
// nodes, and that there are no others.
func (c *Cluster) recall() error {
	file := filepath.Join(nodeDir(c.cfg.DataDir), simulatedFile)
	data, err := os.ReadFile(file)
	if c.cfg.DataDir == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read how many nodes were simulated: %w", err)
	}
	before, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || before < 1 {
		return fmt.Errorf("%s: %q is no number of simulated nodes", file, data)
	}
	if c.cfg.Runtime == RuntimeDocker || c.cfg.Nodes > 0 {
		return nil
	}
	c.cfg.Nodes = before
	c.kept = fmt.Sprintf("--nodes %d", before)
	if c.cfg.Runtime == RuntimeAuto {
		c.kept = fmt.Sprintf("--runtime simulated --nodes %d", before)
	}
	return nil
}

// keepSimulated is for nodes that were asked for; those that stand in for an
// engine that is not there are not kept.
func (c *Cluster) keepSimulated(ctx context.Context) error {
	if c.cfg.DataDir == "" {
		return nil
	}
	cfg, err := c.dockerConfig()
	if err != nil {
		return err
	}
	if cfg.instead = "--nodes"; c.cfg.Runtime == RuntimeSimulated {
		cfg.instead = "--runtime simulated"
	}
	if before, used := keptEngine(cfg.dir); used {
		if err := cfg.leave(ctx, before); err != nil {
			return err
		}
	}
	number := strconv.Itoa(max(1, c.cfg.Nodes))
	if err := replace.File(filepath.Join(cfg.dir, simulatedFile), []byte(number+"\n")); err != nil {
		return fmt.Errorf("keep how many nodes are simulated: %w", err)
	}
	return nil
}

// forgetSimulated is for a node with an engine.
func forgetSimulated(dir string) error {
	if err := os.Remove(filepath.Join(dir, simulatedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the simulated nodes: %w", err)
	}
	return nil
}

// leave is for a node that is to use another engine than before, or none: what
// it has there would go on with nobody who looks after it.
func (cfg dockerNode) leave(ctx context.Context, before string) error {
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	pods, err := cfg.heldAt(ctx, before)
	remove := fmt.Sprintf("docker -H %s rm -f $(docker -H %s ps -aq --filter label=segno.scope=%s --filter label=segno.node=%s)", before, before, cfg.scope, cfg.name)
	switch {
	case err != nil:
		cfg.log.Warn("the engine that this node had does not answer; containers that it has there go on by themselves",
			"engine", before, "error", err, "removeThem", remove)
	case len(pods) > 0 && cfg.instead != "":
		return fmt.Errorf("the node %s has pods at the engine %s, which would go on with nobody who looks after them: %s\nStart without %s to go on there; or remove their containers first: %s",
			cfg.name, before, strings.Join(pods, ", "), cfg.instead, remove)
	case len(pods) > 0:
		cfg.log.Warn("containers of this node are left at the engine that it had, and go on by themselves",
			"engine", before, "pods", strings.Join(pods, ", "), "removeThem", remove)
	}
	return nil
}

func (cfg dockerNode) heldAt(ctx context.Context, host string) ([]string, error) {
	engine, err := docker.New(docker.Config{Host: host, Node: string(cfg.name), Scope: cfg.scope})
	if err != nil {
		return nil, err
	}
	defer func() { _ = engine.Close() }()
	return engine.Held(ctx)
}
