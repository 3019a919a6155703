package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/bus"
	"segno/events"
	"segno/proto"
)

var (
	nodeResource    = proto.Resource{Name: "nodes"}
	serviceResource = proto.Resource{Name: "services"}
	secretResource  = proto.Resource{Name: "secrets"}
)

// TokenSecret is the object that stands for a join token: whoever may create
// Secrets in kube-system may let machines in. The token's seed is not in it.
func TokenSecret(token bus.Token, expires time.Time) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: tokenSecretName(token.ID), Namespace: metav1.NamespaceSystem},
		Type:       corev1.SecretTypeBootstrapToken,
		Data: map[string][]byte{
			"token-id": []byte(token.ID), "public": []byte(token.Public), "expiration": []byte(expires.UTC().Format(time.RFC3339)),
		},
	}
}

func tokenSecretName(id string) string { return "bootstrap-token-" + id }

// identityOf is who an object lets in: a Node with a key, or a join token.
func identityOf(obj events.Object) (bus.Identity, bool) {
	switch o := obj.(type) {
	case *corev1.Node:
		public := o.Annotations[bus.NodeKeyAnnotation]
		return bus.Identity{Role: bus.RoleNode, Name: o.Name, Public: public}, public != ""
	case *corev1.Secret:
		if o.Namespace != metav1.NamespaceSystem || o.Type != corev1.SecretTypeBootstrapToken {
			return bus.Identity{}, false
		}
		public := string(o.Data["public"])
		return bus.Identity{Role: bus.RoleJoin, Name: string(o.Data["token-id"]), Public: public}, public != ""
	default:
		return bus.Identity{}, false
	}
}

// loadIdentities lets in the person who owns the cluster, and everybody whom
// the state as it is knows.
func (c *Cluster) loadIdentities() error {
	registry := c.server.Identities()
	if c.admin.Public != "" {
		if err := registry.Add(bus.Identity{Role: bus.RolePerson, Name: adminUser, Public: c.admin.Public}); err != nil {
			return err
		}
	}
	current := c.View()
	for _, resource := range []proto.Resource{nodeResource, secretResource} {
		page, err := current.List(events.Query{Resource: resource})
		if err != nil {
			return fmt.Errorf("read who may connect: %w", err)
		}
		for _, obj := range page.Items {
			c.admit(obj)
		}
	}
	return nil
}

// admit lets in whom the object names. What is wrong with one must not keep
// the others out.
func (c *Cluster) admit(obj events.Object) {
	identity, ok := identityOf(obj)
	if !ok {
		return
	}
	if err := c.server.Identities().Add(identity); err != nil {
		c.log.Warn("an identity is not let in", "object", obj.GetName(), "err", err)
	}
}

// followIdentities keeps the bus's registry what the objects say: a deleted
// Node is shut out, a deleted token cannot be used.
func (c *Cluster) followIdentities(ctx context.Context) error {
	fold := c.ledgers.events()
	for change, err := range fold.Watch(ctx, fold.Position().Seq, nodeResource, secretResource) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow who may connect: %w", err)
		}
		if err := c.readmit(change); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) readmit(change events.Change) error {
	if change.After == nil {
		return nil
	}
	obj, err := c.ledgers.events().Object(change.After)
	if err != nil {
		return fmt.Errorf("follow who may connect: %w", err)
	}
	identity, ok := identityOf(obj)
	switch {
	case !ok:
	case identity.Role == bus.RoleNode && c.runsHere(identity.Name): // it registers again, and has to be heard then
	case change.After.Deleted && identity.Role == bus.RoleJoin:
		c.server.Identities().Retire(identity.Public) // the answer to the join is still on its way
	case change.After.Deleted:
		c.server.Identities().Remove(identity.Public)
	default:
		c.admit(obj)
	}
	return nil
}

// approve spends a join token: in one transaction the token's Secret goes and
// the Node with the machine's own key is there.
func (c *Cluster) approve(ctx context.Context, tokenID string, request proto.JoinRequest) (proto.JoinReply, error) {
	current := c.View()
	key := secretResource.Key(metav1.NamespaceSystem, tokenSecretName(tokenID))
	secret, found, err := events.GetAs[*corev1.Secret](current, key)
	if err != nil {
		return proto.JoinReply{}, fmt.Errorf("read the join token: %w", err)
	}
	if !found {
		return proto.JoinReply{}, errors.New("the join token is used up; make another one with: segno token create")
	}
	expires, err := time.Parse(time.RFC3339, string(secret.Data["expiration"]))
	if err != nil || time.Now().After(expires) {
		return proto.JoinReply{}, errors.New("the join token has expired; make another one with: segno token create")
	}
	enroll, err := c.enroll(current, request)
	if err != nil {
		return proto.JoinReply{}, err
	}
	_, err = c.Submit(ctx, events.Command{
		Actor: proto.Actor("join:" + tokenID), Via: "segno join", Reason: "Joined", Correlation: string(uuid.NewUUID()),
		Action: events.Batch{events.Delete{Key: key, Options: metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &secret.UID}}}, enroll},
	})
	reply := proto.JoinReply{Cluster: c.cfg.Name}
	for _, address := range c.cfg.Services.DNS {
		reply.DNS = append(reply.DNS, address.String())
	}
	for _, network := range c.cfg.Services.Networks {
		reply.Services = append(reply.Services, network.String())
	}
	return reply, err
}

func (c *Cluster) enroll(current events.View, request proto.JoinRequest) (events.Action, error) {
	key := nodeResource.Key("", string(request.Name))
	node, found, err := events.GetAs[*corev1.Node](current, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !found {
		node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: string(request.Name), Annotations: map[string]string{bus.NodeKeyAnnotation: request.Public},
		}}
		return events.Create{Key: key, Object: node, UID: uuid.NewUUID()}, nil
	}
	if have := node.Annotations[bus.NodeKeyAnnotation]; have != "" && have != request.Public {
		return nil, fmt.Errorf("a node named %s has joined already; delete it first (segno delete node %s), or take another name with --name", request.Name, request.Name)
	}
	node = events.Copy(node)
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, bus.NodeKeyAnnotation, request.Public)
	return events.Update{Key: key, Object: node}, nil
}
