package bus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// connectLate answers a connection that may be still to come, once the first
// attempt is over. A key that is refused then is an error, as it is for others.
func connectLate(ctx context.Context, cfg ConnectConfig, shut *shutOut, opts []nats.Option) (*nats.Conn, error) {
	var absent atomic.Pointer[nats.Conn] // while it has never stood
	var first sync.Once
	failed, stands := make(chan error, 1), make(chan struct{}, 1)
	nc, err := nats.Connect(cfg.URL, append(opts,
		nats.RetryOnFailedConnect(true),
		nats.ReconnectErrHandler(func(nc *nats.Conn, err error) {
			first.Do(func() {
				absent.Store(nc)
				failed <- err
			})
		}),
		nats.ConnectHandler(func(*nats.Conn) {
			first.Do(func() {}) // what fails later is told of otherwise
			if absent.Swap(nil) != nil {
				shut.back()
				cfg.log().Info("the bus answers")
			}
			stands <- struct{}{}
		}),
		nats.CustomReconnectDelay(func(attempt int) time.Duration {
			if nc := absent.Load(); nc != nil { // the library tells nobody of these refusals
				shut.refused(nc.LastError())
			}
			return shut.pause(attempt)
		}))...)
	if err != nil {
		return nil, err
	}
	select {
	case <-stands:
		return nc, nil
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-failed:
		if !errors.Is(err, ErrShutOut) {
			cfg.log().Warn("the bus does not answer; it is tried until it does, and this node goes on with what it knows", "error", err)
			return nc, nil
		}
	}
	nc.Close()
	return nil, err
}
