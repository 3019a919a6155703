package bus

import "github.com/nats-io/nats.go"

// ErrShutOut is why a connection is refused whose key the bus does not know: of
// a node that was removed, or a token that was spent.
var ErrShutOut = nats.ErrAuthorization
