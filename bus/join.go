package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"
	"k8s.io/apimachinery/pkg/util/validation"

	"segno/proto"
)

// Approve decides whether the holder of the token may become the node. It
// keeps what has to outlive the process, and spends the token.
type Approve func(ctx context.Context, tokenID string, request proto.JoinRequest) (proto.JoinReply, error)

// JoinsConfig says who decides about machines that want to become nodes.
type JoinsConfig struct {
	Conn       *Conn // the control plane's
	Identities *Identities
	Approve    Approve
	Log        *slog.Logger
}

// Joins is the control plane's side of joining: it takes a token, once, and
// lets the machine's own key in as a node.
type Joins struct {
	cfg JoinsConfig
	log *slog.Logger
	mu  sync.Mutex // one at a time: a token is good for one machine
}

// NewJoins checks the configuration.
func NewJoins(cfg JoinsConfig) (*Joins, error) {
	if cfg.Conn == nil || cfg.Identities == nil || cfg.Approve == nil {
		return nil, errors.New("joins: Conn, Identities and Approve are needed")
	}
	return &Joins{cfg: cfg, log: orDefault(cfg.Log)}, nil
}

// Run answers machines until ctx ends.
func (j *Joins) Run(ctx context.Context) error {
	var all sync.WaitGroup
	sub, err := j.cfg.Conn.nc.Subscribe(proto.AnyJoin, func(msg *nats.Msg) {
		all.Go(func() { j.take(ctx, msg) })
	})
	if err != nil {
		return fmt.Errorf("hear machines that join: %w", err)
	}
	<-ctx.Done()
	_ = sub.Unsubscribe() // the connection may be closed already
	all.Wait()
	return nil
}

func (j *Joins) take(ctx context.Context, msg *nats.Msg) {
	j.mu.Lock()
	defer j.mu.Unlock()
	token := proto.Pinned(msg.Subject)
	reply, err := j.admit(ctx, token, msg.Data)
	if err != nil {
		j.log.Warn("a machine was refused", "token", token, "error", err)
		reply = proto.JoinReply{Error: err.Error()}
	}
	asker := Identity{Role: RoleJoin, Name: token}.Actor()
	if err := j.cfg.Conn.answer(msg, asker, reply); err != nil {
		j.log.Warn("a machine that joins was not answered", "token", token, "error", err)
	}
}

func (j *Joins) admit(ctx context.Context, token string, data []byte) (proto.JoinReply, error) {
	public := j.cfg.Identities.Public(RoleJoin, token)
	if public == "" {
		return proto.JoinReply{}, errors.New("the token has been used, or has expired")
	}
	var request proto.JoinRequest
	if err := proto.Unpack(data, &request); err != nil {
		return proto.JoinReply{}, err
	}
	if wrong := validation.IsDNS1123Subdomain(string(request.Name)); len(wrong) > 0 {
		return proto.JoinReply{}, fmt.Errorf("node name %q: %s", request.Name, wrong[0])
	}
	if j.cfg.Identities.Public(RoleNode, string(request.Name)) != "" {
		return proto.JoinReply{}, fmt.Errorf("there is a node %s already; choose another name, or remove that node first", request.Name)
	}
	node := Identity{Role: RoleNode, Name: string(request.Name), Public: request.Public}
	if err := j.cfg.Identities.Add(node); err != nil {
		return proto.JoinReply{}, err
	}
	reply, err := j.cfg.Approve(ctx, token, request)
	if err != nil {
		j.cfg.Identities.Remove(request.Public)
		return proto.JoinReply{}, err
	}
	j.cfg.Identities.Retire(public)
	j.log.Info("a machine joined", "node", request.Name, "token", token)
	return reply, nil
}

// Join makes this machine a node: it proves the token, makes a key of its own
// and has it accepted. The credential is what the node connects with from then
// on; its seed has never left the machine.
func Join(ctx context.Context, url, token string, name proto.NodeName) (Credential, error) {
	held, err := ParseToken(token)
	if err != nil {
		return Credential{}, err
	}
	conn, err := Connect(ctx, ConnectConfig{URL: url, Name: held.ID, Actor: held.actor(), Seed: held.Seed, Fingerprint: held.Fingerprint})
	if err != nil {
		return Credential{}, fmt.Errorf("join as node %s: %w", name, err)
	}
	defer conn.Close()
	credential, err := NewCredential(nodeActor(name))
	if err != nil {
		return Credential{}, err
	}
	request := proto.JoinRequest{Name: name, Public: credential.Public}
	var reply proto.JoinReply
	if err := ask(ctx, conn, proto.Join(held.ID), proto.Pack(request), &reply); err != nil {
		return Credential{}, fmt.Errorf("join as node %s: %w", name, err)
	}
	if reply.Error != "" {
		return Credential{}, fmt.Errorf("join as node %s: refused: %s", name, reply.Error)
	}
	credential.URL, credential.Fingerprint, credential.Cluster = url, held.Fingerprint, reply.Cluster
	return credential, nil
}
