package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/agents/ingress"
	"segno/bus"
	"segno/cli/internal/replace"
	"segno/events"
	"segno/events/ingressrule"
	"segno/proto"
)

// entryFile, in a node's folder, keeps what was asked for of its ingress: the next
// start of the node is to be the same.
const entryFile = "ingress.json"

// Entry says how a node lets clients in. What is left out is as before.
type Entry struct {
	On        *bool        `json:"on,omitempty"` // whether a cluster's own node is to; of others a label of the Node says so
	Addresses []netip.Addr `json:"addresses,omitempty"`
	HTTP      uint16       `json:"http,omitempty"`
	HTTPS     uint16       `json:"https,omitempty"`
}

// recallEntry takes from before what is not asked for now, and keeps what is.
func recallEntry(dir string, asked Entry) (Entry, error) {
	before, file := Entry{}, filepath.Join(dir, entryFile)
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return before, fmt.Errorf("read the node's ingress of before (%s; without the file the flags count alone): %w", file, err)
	}
	now := before
	if asked.On != nil {
		now.On = asked.On
	}
	if len(asked.Addresses) > 0 {
		now.Addresses = asked.Addresses
	}
	if asked.HTTP != 0 {
		now.HTTP = asked.HTTP
	}
	if asked.HTTPS != 0 {
		now.HTTPS = asked.HTTPS
	}
	if options := now.options(); options.HTTP == options.HTTPS {
		return before, fmt.Errorf("serve Ingresses at port %d, plain and with TLS: take two ports, with --ingress-http-port and --ingress-https-port", options.HTTP)
	}
	if !now.same(before) {
		if data, err = json.Marshal(now); err == nil {
			err = replace.File(file, data)
		}
		if err != nil {
			return before, fmt.Errorf("remember the node's ingress: %w", err)
		}
	}
	return now, nil
}

// options are those of ingress, should it run.
func (e Entry) options() *ingress.Options {
	return &ingress.Options{Addresses: e.Addresses, HTTP: cmp.Or(e.HTTP, ingress.DefaultHTTP), HTTPS: cmp.Or(e.HTTPS, ingress.DefaultHTTPS)}
}

func (e Entry) same(as Entry) bool {
	on := e.On == as.On || e.On != nil && as.On != nil && *e.On == *as.On
	return on && slices.Equal(e.Addresses, as.Addresses) && e.HTTP == as.HTTP && e.HTTPS == as.HTTPS
}

// chooseEntry gives this machine's node the label with which it runs ingress when
// there is no Node object of it yet, as on a cluster's first start: nobody could
// have chosen another one. From then on the label is as people leave it, unless
// this start is asked for ingress, or for none.
func (c *Cluster) chooseEntry(ctx context.Context) error {
	at := slices.IndexFunc(c.nodes, func(n *node) bool { return n.dir != "" })
	if at < 0 {
		return nil
	}
	n := c.nodes[at]
	entry, err := recallEntry(n.dir, c.cfg.Ingress)
	if err != nil {
		return err
	}
	c.entry = entry
	credential, err := c.nodeCredential(n)
	if err != nil {
		return err
	}
	key := nodeResource.Key("", string(n.name))
	have, _, err := events.GetAs[*corev1.Node](c.View(), key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	action := chosen(have, c.cfg.Ingress.On)
	if have == nil && (entry.On == nil || *entry.On) {
		action = chosenAnew(key, credential.Public)
	}
	if action == nil {
		return nil
	}
	if _, err := c.Submit(ctx, events.Command{Actor: proto.SystemActor("ingress"), Via: "bootstrap", Reason: "IngressNodeChosen", Action: action}); err != nil {
		return fmt.Errorf("choose whether node %s runs ingress: %w", key.Name, err)
	}
	return nil
}

// chosen is what makes a Node one that runs ingress, or none, as was asked; nil is
// that nothing is to be done.
func chosen(have *corev1.Node, asked *bool) events.Action {
	if have == nil || asked == nil || *asked == ingressrule.Chosen(have) {
		return nil
	}
	node := events.Copy(have)
	if *asked {
		metav1.SetMetaDataLabel(&node.ObjectMeta, ingressrule.Label, "true")
	} else {
		delete(node.Labels, ingressrule.Label)
	}
	return events.Update{Key: nodeResource.Key("", have.Name), Object: node}
}

// chosenAnew makes a Node that runs ingress, for the holder of a key alone: no
// machine that joins can become it.
func chosenAnew(key proto.ObjectKey, public string) events.Action {
	return events.Create{Key: key, UID: uuid.NewUUID(), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: key.Name, Labels: map[string]string{ingressrule.Label: "true"}, Annotations: map[string]string{bus.NodeKeyAnnotation: public},
	}}}
}
