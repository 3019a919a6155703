package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"segno/bus"
	"segno/proto"
)

// JoinConfig says which cluster this machine becomes a node of.
type JoinConfig struct {
	URL        string // of the bus; not needed once joined
	Token      string // needed once
	Name       proto.NodeName
	DataDir    string // keeps the credential and what should run
	DockerHost string
	Address    netip.Addr // the node's own; zero picks this machine's first
	Log        *slog.Logger
	Ready      func(cluster string)
}

// Join runs this machine as a node until ctx ends. The first time it spends
// the token; afterwards it uses the credential that it got.
func Join(ctx context.Context, cfg JoinConfig) error {
	credential, err := joined(ctx, cfg)
	if err != nil {
		return err
	}
	n, err := newDockerNode(ctx, dockerNode{
		name: cfg.Name, host: cfg.DockerHost, scope: credential.Fingerprint[:12], dir: cfg.DataDir, log: cfg.Log,
	})
	if err != nil {
		return err
	}
	conn, err := bus.Connect(ctx, bus.ConnectConfig{
		URL: credential.URL, Name: string(cfg.Name), Actor: credential.Actor, Seed: credential.Seed,
		Fingerprint: credential.Fingerprint, Log: cfg.Log, Wait: true,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	if !cfg.Address.IsValid() {
		cfg.Address = localAddress()
	}
	agent, err := n.agent(conn, cfg.Address, cfg.Log)
	if err != nil {
		return err
	}
	cfg.Ready(credential.Cluster)
	return agent.Run(ctx)
}

func joined(ctx context.Context, cfg JoinConfig) (bus.Credential, error) {
	file := filepath.Join(cfg.DataDir, "credential.json")
	_, err := os.Stat(file)
	if err == nil {
		return keptCredential(file, proto.Actor("node:"+cfg.Name))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return bus.Credential{}, fmt.Errorf("look for a credential: %w", err)
	}
	if cfg.URL == "" || cfg.Token == "" {
		return bus.Credential{}, errors.New("this machine has not joined yet: give the bus's address and --token (on the control plane: segno token create)")
	}
	credential, err := bus.Join(ctx, cfg.URL, cfg.Token, cfg.Name)
	if err != nil {
		return credential, err
	}
	return credential, saveCredential(file, credential)
}
