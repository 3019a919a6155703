package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"segno/agents/runtime/docker"
	"segno/agents/services"
	"segno/bus"
	"segno/proto"
)

// JoinConfig says which cluster this machine becomes a node of. DataDir is needed.
// Whoever has joined may leave the rest out.
type JoinConfig struct {
	URL        string         // of the bus; not needed once joined
	Token      string         // needed once; another one than before joins anew
	Name       proto.NodeName // default the one that DataDir is of, or the host's
	DataDir    string         // keeps the credential, and what should run, and where
	DockerHost string         // default the one of before, DOCKER_HOST or Docker's own
	Pods       PodLinks
	Services   services.Options // how it serves Services and names
	Ingress    Entry            // where it lets clients in, once it is chosen for that
	Log        *slog.Logger     // nil is silent
	// Ready is told who the node is, and of which cluster; nil is nobody.
	Ready func(node proto.NodeName, cluster string)
}

func (cfg JoinConfig) complete() (JoinConfig, error) {
	if cfg.DataDir == "" {
		return cfg, errors.New("join: a data directory is needed")
	}
	err := cfg.Pods.check()
	if err != nil {
		return cfg, err
	}
	if cfg.Name, err = nameNode(cfg.Name, cfg.DataDir); err != nil {
		return cfg, err
	}
	cfg.Services = withServers(cfg.Services)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Ready == nil {
		cfg.Ready = func(proto.NodeName, string) {}
	}
	return cfg, nil
}

// Join runs this machine as a node until ctx ends. The first time it spends
// the token; afterwards it uses the credential that it got.
func Join(ctx context.Context, cfg JoinConfig) error {
	cfg, err := cfg.complete()
	if err != nil {
		return err
	}
	if err := cfg.free(); err != nil {
		return err
	}
	if err := cfg.reachEngine(ctx); err != nil {
		return err
	}
	credential, err := joined(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := recallLinks(cfg.DataDir, &cfg.Pods, &cfg.Services.Mode); err != nil {
		return err
	}
	n, trouble, err := newDockerNode(ctx, dockerNode{
		name: cfg.Name, host: cfg.DockerHost, scope: credential.Fingerprint[:scopeDigits], dir: cfg.DataDir, pods: cfg.Pods, log: cfg.Log,
	})
	if err := errors.Join(err, trouble); err != nil {
		return err
	}
	conn, err := cfg.connect(ctx, credential.Credential)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg.Services = joinedRanges(cfg.Services, credential.Credential)
	entry, err := recallEntry(cfg.DataDir, cfg.Ingress)
	if err != nil {
		return err
	}
	agent, err := n.agent(conn, cfg.Pods.NodeAddress(), cfg.Services, entry.options(), cfg.Log)
	if err != nil {
		return err
	}
	cfg.Ready(cfg.Name, credential.Cluster)
	return agent.Run(ctx)
}

// free looks whether the node runs already: a token is not to be spent then.
func (cfg JoinConfig) free() error {
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := LockData(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("%w; stop that one first", err)
	}
	unlock()
	return nil
}

// reachEngine looks whether there is an engine: without one a token is not to be
// spent either.
func (cfg JoinConfig) reachEngine(ctx context.Context) error {
	host := cfg.DockerHost
	if host == "" {
		host, _ = keptEngine(cfg.DataDir)
	}
	engine, err := docker.New(docker.Config{Host: host, Node: string(cfg.Name)})
	if err != nil {
		return fmt.Errorf("use the Docker engine: %w", err)
	}
	return errors.Join(askEngine(ctx, engine), engine.Close())
}

func (cfg JoinConfig) connect(ctx context.Context, credential bus.Credential) (*bus.Conn, error) {
	conn, err := bus.Connect(ctx, bus.ConnectConfig{
		URL: credential.URL, Name: string(cfg.Name), Actor: credential.Actor, Seed: credential.Seed,
		Fingerprint: credential.Fingerprint, Log: cfg.Log, Patient: true,
		ShutOut: func() {
			cfg.Log.Error("this node was removed from the cluster; its containers go on, and it is tried now and then whether it is let in again. "+
				"To join again: make a token on the control plane (segno token create), stop this process, and run segno join with --token",
				"node", cfg.Name, "cluster", credential.Cluster)
		},
	})
	if errors.Is(err, bus.ErrShutOut) {
		return nil, fmt.Errorf("%w\nThe node %s was removed from the cluster %q. To join again, make a token on the control plane (segno token create) and give it with --token",
			err, cfg.Name, credential.Cluster)
	}
	return conn, err
}

// admission is a node's credential, and which token it was given for.
type admission struct {
	bus.Credential
	Token string `json:"token,omitempty"` // its ID
}

// joined answers the credential of this node. A token that it was not made with
// counts for more; the same one may stay on a command line that is run again.
func joined(ctx context.Context, cfg JoinConfig) (admission, error) {
	file := filepath.Join(cfg.DataDir, credentialFile)
	kept, found, err := keptAdmission(file)
	if err != nil {
		return kept, err
	}
	if found && kept.URL == "" {
		return kept, fmt.Errorf("%s is the folder of a cluster's own node (segno up runs it): take another one with --data-dir", cfg.DataDir)
	}
	if cfg.Token == "" {
		if !found {
			return kept, errors.New("this machine has not joined yet: give the bus's address and --token (on the control plane: segno token create)")
		}
		return kept, nil
	}
	token, err := bus.ParseToken(cfg.Token)
	if err != nil {
		return kept, err
	}
	if found && kept.Token == token.ID {
		return kept, nil
	}
	if cfg.URL == "" {
		return kept, errors.New("a token is for one cluster: give the address of its bus as well")
	}
	fresh, err := bus.Join(ctx, cfg.URL, cfg.Token, cfg.Name)
	if err != nil {
		return kept, cfg.notAdmitted(err, found)
	}
	now := admission{Credential: fresh, Token: token.ID}
	return now, keepSecret(file, now)
}

func (cfg JoinConfig) notAdmitted(err error, joined bool) error {
	if errors.Is(err, bus.ErrShutOut) {
		err = fmt.Errorf("%w\nThe token has been used, or has expired. Make another one on the control plane: segno token create", err)
	}
	if joined {
		err = fmt.Errorf("%w\nThis machine has joined before; to go on as that node, leave --token out", err)
	}
	return err
}

func keptAdmission(file string) (kept admission, found bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, false, nil
	}
	if err != nil {
		return kept, false, fmt.Errorf("look for a credential: %w", err)
	}
	if err := json.Unmarshal(data, &kept); err != nil {
		return kept, false, fmt.Errorf("read the credential in %s: %w", file, err)
	}
	return kept, true, nil
}
