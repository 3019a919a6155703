package bus

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"segno/proto"
)

// Role is what an identity may do on the bus.
type Role uint8

// The roles. The zero Role may do nothing.
const (
	RoleControl Role = iota + 1 // the control plane: everything
	RolePerson                  // cmd.<user>.>, follow the feed
	RoleNode                    // sts.<node>.>, hear node.<node>.>
	RoleJoin                    // join.<token id>, once
)

// Identity is one who may connect, known by a public nkey.
type Identity struct {
	Role   Role
	Name   string // of the user or node, or the join token's id
	Public string // nkey, "U…"
}

// Actor is the identity as it stands in the log and in its inbox prefix:
// a user and a node of one name never share an inbox.
func (i Identity) Actor() proto.Actor {
	switch i.Role {
	case RoleControl:
		return proto.SystemActor(i.Name)
	case RolePerson:
		return proto.UserActor(i.Name)
	case RoleNode:
		return proto.NodeActor(proto.NodeName(i.Name))
	case RoleJoin:
		return proto.Actor("join:" + i.Name)
	default:
		return ""
	}
}

// permissions are what pins the actor: the second token of whatever it may
// publish is its own.
func (i Identity) permissions() *natsd.Permissions {
	inbox := proto.Inbox(string(i.Actor())) + ".>"
	only := func(subjects ...string) *natsd.SubjectPermission {
		return &natsd.SubjectPermission{Allow: subjects}
	}
	switch i.Role {
	case RoleControl:
		return nil
	case RolePerson:
		return &natsd.Permissions{Publish: only(proto.UserSubjects(i.Name)), Subscribe: only(inbox, proto.FeedSubjects)}
	case RoleNode:
		node := proto.NodeName(i.Name)
		return &natsd.Permissions{
			Publish:   only(proto.NodeReports(node)),
			Subscribe: only(inbox, proto.NodeCalls(node), proto.SharedWant),
			Response:  &natsd.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute},
		}
	case RoleJoin:
		return &natsd.Permissions{Publish: only(proto.Join(i.Name)), Subscribe: only(inbox)}
	default:
		return &natsd.Permissions{Publish: &natsd.SubjectPermission{Deny: []string{">"}}, Subscribe: &natsd.SubjectPermission{Deny: []string{">"}}}
	}
}

// Identities is the registry of those who may connect. It may change while
// the server runs. It is the server's authenticator: whoever signs the server's
// nonce with a registered key is that identity, and nobody else gets in.
type Identities struct {
	mu     sync.Mutex
	server *natsd.Server
	known  map[string]*member // by public key
	names  map[named]string   // public keys; of two with one name, the newer
}

type named struct {
	role Role
	name string
}

type member struct {
	Identity
	conns []uint64 // connections it opened, to be cut when it is removed
}

// NewIdentities makes an empty registry.
func NewIdentities() *Identities {
	return &Identities{known: map[string]*member{}, names: map[named]string{}}
}

// serve ties the registry to its server and lets the server's own key in.
func (r *Identities) serve(server *natsd.Server, own string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = server
	r.known[own] = &member{Identity: Identity{Role: RoleControl, Name: "bus", Public: own}}
}

// Add lets an identity connect. Adding a known key again with another role or
// name is refused: remove it first.
func (r *Identities) Add(id Identity) error {
	if !nkeys.IsValidPublicUserKey(id.Public) {
		return fmt.Errorf("add %s: %q is not a public user nkey", id.Actor(), id.Public)
	}
	if id.Name == "" || id.Role < RoleControl || id.Role > RoleJoin {
		return fmt.Errorf("add nkey %s: it needs a name and a role", id.Public)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.known[id.Public]; ok && have.Identity != id {
		return fmt.Errorf("add %s: its nkey already belongs to %s", id.Actor(), have.Actor())
	}
	if r.known[id.Public] == nil {
		r.known[id.Public] = &member{Identity: id}
		r.names[named{id.Role, id.Name}] = id.Public
	}
	return nil
}

// Remove shuts an identity out and cuts its connections. An unknown key is
// nothing to remove.
func (r *Identities) Remove(public string) {
	r.mu.Lock()
	gone, server := r.known[public], r.server
	r.forget(public)
	r.mu.Unlock()
	if gone == nil || server == nil {
		return
	}
	for _, id := range gone.conns {
		_ = server.DisconnectClientByID(id) // it may have left by itself
	}
}

// Retire shuts an identity out from now on and leaves the connections that it
// has, so that an answer still reaches it.
func (r *Identities) Retire(public string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(public)
}

func (r *Identities) forget(public string) {
	m := r.known[public]
	if m == nil {
		return
	}
	delete(r.known, public)
	if name := (named{m.Role, m.Name}); r.names[name] == public {
		delete(r.names, name)
	}
}

// Public is the key of an identity, "" when it is not known.
func (r *Identities) Public(role Role, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[named{role, name}]
}

// behind answers who opened a connection.
func (r *Identities) behind(conn uint64) (id Identity, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.known {
		if slices.Contains(m.conns, conn) {
			return m.Identity, true
		}
	}
	return id, false
}

// Check implements the server's Authentication.
func (r *Identities) Check(c natsd.ClientAuthentication) bool {
	opts := c.GetOpts()
	if c.Kind() != natsd.CLIENT || !signed(opts.Nkey, opts.Sig, c.GetNonce()) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.known[opts.Nkey]
	if m == nil {
		return false
	}
	alive := m.conns[:0]
	for _, id := range m.conns {
		if r.server.GetClient(id) != nil {
			alive = append(alive, id)
		}
	}
	m.conns = append(alive, c.GetID())
	c.RegisterUser(&natsd.User{Username: string(m.Actor()), Permissions: m.permissions()})
	return true
}

// signed reports whether sig is the signature of the nonce by the key.
func signed(public, sig string, nonce []byte) bool {
	if public == "" || len(nonce) == 0 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		return false
	}
	key, err := nkeys.FromPublicKey(public)
	if err != nil {
		return false
	}
	return key.Verify(nonce, raw) == nil
}
