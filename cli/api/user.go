package api

import (
	"context"
	"slices"
	"strings"

	"segno/proto"
)

// Groups that the rules of this package know.
const (
	GroupMasters       = "system:masters"       // may do everything
	GroupNodes         = "system:nodes"         // agents of nodes
	GroupAuthenticated = "system:authenticated" // everybody with a user
)

const nodeUserPrefix = "system:node:"

// User is who asks, as the connection proved it.
type User struct {
	Name   string // "admin"; a node is "system:node:<name>" or "node:<name>"
	Groups []string
}

type userKey struct{}

// WithUser puts the authenticated user into a request's context. Only the
// owner of the listener calls it, from the client certificate or the
// permission-pinned subject of the connection.
func WithUser(ctx context.Context, user User) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

// UserFrom answers the user of a request; ok is false when nobody
// authenticated.
func UserFrom(ctx context.Context) (user User, ok bool) {
	user, ok = ctx.Value(userKey{}).(User)
	return user, ok && user.Name != ""
}

// Node answers the node whose agent the user is, "" for anyone else.
func (u User) Node() proto.NodeName {
	if !slices.Contains(u.Groups, GroupNodes) {
		return ""
	}
	for _, prefix := range []string{nodeUserPrefix, "node:"} {
		if name, ok := strings.CutPrefix(u.Name, prefix); ok {
			return proto.NodeName(name)
		}
	}
	return ""
}

// Actor is the user as the log names it.
func (u User) Actor() proto.Actor {
	if node := u.Node(); node != "" {
		return proto.NodeActor(node)
	}
	return proto.UserActor(u.Name)
}

// listed tells whether the user's credential names the group.
func (u User) listed(group string) bool { return slices.Contains(u.Groups, group) }

// impersonation is how a client asks to act as somebody else.
const impersonation = "Impersonate-"

// impersonated refuses to act as somebody else: a request that was answered
// as its sender would tell a lie about what that other may do.
func (c *call) impersonated() error {
	for name := range c.r.Header {
		if strings.HasPrefix(name, impersonation) {
			return forbiddenPath(c.user, Target{Verb: "impersonate", Path: c.r.URL.Path}, "impersonation is not served; ask with that user's own credential")
		}
	}
	return nil
}
