package ingress

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

func TestS9APortThatIsLostIsToldOf(t *testing.T) {
	var last net.Listener
	d := doors{
		all: []door{{at: netip.MustParseAddrPort("127.0.0.1:80")}}, handler: http.NotFoundHandler(), log: slog.New(slog.DiscardHandler), lost: make(chan struct{}, 1),
		listen: func(ctx context.Context, network, _ string) (_ net.Listener, err error) {
			last, err = (&net.ListenConfig{}).Listen(ctx, network, "127.0.0.1:0")
			return last, err
		},
	}
	for range 2 {
		if failed := d.enter(t.Context()); len(failed) > 0 || len(d.isOpen()) != 1 {
			t.Fatalf("open: %v, failed: %v", d.isOpen(), failed)
		}
		_ = last.Close() // as if the kernel had
		<-d.lost
		if open := d.isOpen(); len(open) > 0 {
			t.Fatalf("a port that was lost counts as open: %v", open)
		}
	}
	d.enter(t.Context())
	d.leave()
	if len(d.lost) > 0 {
		t.Error("a port that was closed on purpose counts as lost")
	}
}
