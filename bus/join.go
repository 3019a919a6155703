package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"k8s.io/apimachinery/pkg/util/validation"

	"segno/proto"
)

const (
	// joinsWaiting and joinBytes are how many requests, and of what size in all,
	// may wait while one is decided; more of them get no answer.
	joinsWaiting = 256
	joinBytes    = 16 << 20
	// longestJoin is more than a JoinRequest ever takes.
	longestJoin = 4 << 10
	// spentGrace is how long the holder of a spent token may still take to read
	// the answer.
	spentGrace = 2 * time.Second
	// refusalsPause is how often refusals are logged: a machine may ask for ever.
	refusalsPause = 10 * time.Second
)

// Approve decides whether the holder of the token may become the node. It
// keeps what has to outlive the process, and spends the token.
type Approve func(ctx context.Context, tokenID string, request proto.JoinRequest) (proto.JoinReply, error)

// JoinsConfig says who decides about machines that want to become nodes.
type JoinsConfig struct {
	Conn       *Conn // the control plane's
	Identities *Identities
	Approve    Approve
	Audit      *Audit // records what is refused; nil is nowhere
	Log        *slog.Logger
}

// Joins is the control plane's side of joining: it takes a token, once, and
// lets the machine's own key in as a node.
type Joins struct {
	cfg JoinsConfig
	log *slog.Logger

	// Requests are decided one after the other, as a token is good for one machine.
	told   time.Time // when a refusal was last logged
	untold int       // refusals since
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
	var busy sync.Mutex // held while a request is decided
	sub, err := j.cfg.Conn.nc.Subscribe(proto.AnyJoin, func(msg *nats.Msg) {
		busy.Lock()
		defer busy.Unlock()
		if ctx.Err() == nil {
			j.take(ctx, msg)
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(joinsWaiting, joinBytes)
	}
	if err != nil {
		return fmt.Errorf("hear machines that join: %w", err)
	}
	<-ctx.Done()
	_ = sub.Unsubscribe() // the connection may be closed already
	busy.Lock()           // the last one is finished
	defer busy.Unlock()
	return nil
}

// take answers one request. Whoever holds a token that is good for nothing any
// more is sent away soon after.
func (j *Joins) take(ctx context.Context, msg *nats.Msg) {
	token := proto.Pinned(msg.Subject)
	asker := Identity{Role: RoleJoin, Name: token}.Actor()
	began := time.Now()
	reply, err := j.admit(ctx, token, msg.Data)
	if err != nil {
		j.refused(token, err)
		j.cfg.Audit.refused(refusal{who: asker, verb: "join", subject: msg.Subject, err: err, began: began})
		reply = proto.JoinReply{Error: brief(err)}
	}
	if err := j.cfg.Conn.answer(msg, asker, reply); err != nil {
		j.refused(token, err)
	}
	if j.cfg.Identities.Public(RoleJoin, token) == "" {
		time.AfterFunc(spentGrace, func() { j.cfg.Identities.cut(token) })
	}
}

// refused logs what went wrong with a request, if nothing was logged just now.
func (j *Joins) refused(token string, err error) {
	if time.Since(j.told) < refusalsPause {
		j.untold++
		return
	}
	j.log.Warn("a machine was refused", "token", token, "error", err, "unmentioned", j.untold)
	j.told, j.untold = time.Now(), 0
}

// cut ends the connections that were opened with a token, known any more or
// not.
func (r *Identities) cut(token string) {
	r.mu.Lock()
	server := r.server
	r.mu.Unlock()
	if server == nil {
		return
	}
	open, err := server.Connz(&natsd.ConnzOptions{Username: true, Limit: math.MaxInt32})
	if err != nil {
		return // the server is at its end, and with it the connections
	}
	for _, conn := range open.Conns {
		if tokenID(conn.AuthorizedUser) == token {
			_ = server.DisconnectClientByID(conn.Cid) // it may have left by itself
		}
	}
}

func (j *Joins) admit(ctx context.Context, token string, data []byte) (proto.JoinReply, error) {
	public := j.cfg.Identities.Public(RoleJoin, token)
	if public == "" {
		return proto.JoinReply{}, errors.New("the token has been used, or has expired")
	}
	if len(data) > longestJoin {
		return proto.JoinReply{}, fmt.Errorf("the request has %d bytes, at most %d are allowed", len(data), longestJoin)
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
	credential, err := NewCredential(proto.NodeActor(name))
	if err != nil {
		return Credential{}, err
	}
	request := proto.JoinRequest{Name: name, Public: credential.Public}
	var reply proto.JoinReply
	err = ask(ctx, conn, proto.Join(held.ID), proto.Pack(request), &reply)
	if err != nil && !errors.Is(err, ErrNobody) {
		return Credential{}, fmt.Errorf("join as node %s: %w; the answer is lost and the token may be spent:"+
			" on the control plane, segno delete node %s, and make a new token with segno token create", name, err, name)
	}
	if err != nil {
		return Credential{}, fmt.Errorf("join as node %s: %w", name, err)
	}
	if reply.Error != "" {
		return Credential{}, fmt.Errorf("join as node %s: refused: %s", name, reply.Error)
	}
	credential.URL, credential.Fingerprint, credential.Cluster = url, held.Fingerprint, reply.Cluster
	credential.DNS, credential.Services = reply.DNS, reply.Services
	return credential, nil
}
