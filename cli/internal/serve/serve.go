// Package serve runs HTTP servers that end with a context.
//
// What comes in: a server and a listener. What goes out: answers, until the
// context ends. What never happens here: a word about what is served.
//
// There is this file only.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Grace is how long requests under way may still take at the end.
const Grace = 2 * time.Second

// Until serves until ctx ends, and then lets requests under way come to
// their end; watches end with ctx.
func Until(ctx context.Context, server *http.Server, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
			return fmt.Errorf("serve the API at %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), Grace)
		defer cancel()
		if server.Shutdown(late) != nil {
			_ = server.Close() // who is late is cut off
		}
		return nil
	})
	return group.Wait()
}
