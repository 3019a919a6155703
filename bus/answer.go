package bus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// errNotItsInbox is wrapped where somebody wants an answer to go elsewhere.
var errNotItsInbox = errors.New("that is not its inbox")

// answer replies to a request of the identity. A reply goes nowhere but to
// the asker's own inbox: the subject to reply to is the asker's to choose, and
// whoever follows it blindly can be made to publish into the log.
func (c *Conn) answer(msg *nats.Msg, asker proto.Actor, message any) error {
	return c.answerPacked(msg, asker, proto.Pack(message))
}

func (c *Conn) answerPacked(msg *nats.Msg, asker proto.Actor, packed []byte) error {
	if !strings.HasPrefix(msg.Reply, proto.Inbox(string(asker))+".") {
		return fmt.Errorf("%s asked at %s for a reply at %q: %w", asker, msg.Subject, msg.Reply, errNotItsInbox)
	}
	if err := c.nc.Publish(msg.Reply, packed); err != nil {
		return fmt.Errorf("answer %s at %s: %w", asker, msg.Subject, err)
	}
	return nil
}
