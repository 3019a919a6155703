package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// socketProtocol is what clients speak over WebSockets since 1.30; agents, like
// kubelets, speak SPDY, so that the one is translated into the other.
const socketProtocol = "v5.channel.k8s.io"

// Times of streams: how long one may be silent, and how often a node is asked
// whether it is still there.
const (
	streamIdle = 4 * time.Hour
	streamPing = 5 * time.Second
)

// The channels of a socket, in the order of their numbers.
const (
	channelStdin = iota
	channelStdout
	channelStderr
	channelError
	channelResize
)

// socket runs exec or attach for a client that speaks WebSockets.
func (c *call) socket(to *url.URL) error {
	query := c.r.URL.Query()
	stdin, stdout, stderr, tty := flag(query.Get("stdin")), flag(query.Get("stdout")), flag(query.Get("stderr")), flag(query.Get("tty"))
	channel := func(on bool, kind wsstream.ChannelType) wsstream.ChannelType {
		if on {
			return kind
		}
		return wsstream.IgnoreChannel
	}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{socketProtocol: {Binary: true, Channels: []wsstream.ChannelType{
		channelStdin:  channel(stdin, wsstream.ReadChannel),
		channelStdout: channel(stdout, wsstream.WriteChannel),
		channelStderr: channel(stderr && !tty, wsstream.WriteChannel),
		channelError:  wsstream.WriteChannel,
		channelResize: wsstream.ReadChannel,
	}}})
	conn.SetIdleTimeout(streamIdle)
	c.w.begun = true
	_, streams, err := conn.Open(c.w, c.r)
	if err != nil {
		return fmt.Errorf("accept a WebSocket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	options := remotecommand.StreamOptions{Tty: tty, TerminalSizeQueue: newSizes(streams[channelResize], cancel)}
	if stdin {
		options.Stdin = streams[channelStdin]
	}
	if stdout {
		options.Stdout = streams[channelStdout]
	}
	if stderr && !tty {
		options.Stderr = streams[channelStderr]
	}
	outcome := outcomeOf(c.runOnNode(ctx, to, options))
	if outcome.Code != 0 {
		c.trace.failure = outcome
	}
	_ = json.NewEncoder(streams[channelError]).Encode(outcome)
	return nil
}

func (c *call) runOnNode(ctx context.Context, to *url.URL, options remotecommand.StreamOptions) error {
	transport, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{UpgradeTransport: c.api.relay, PingPeriod: streamPing})
	if err != nil {
		return fmt.Errorf("prepare a stream to %s: %w", to.Host, err)
	}
	executor, err := remotecommand.NewSPDYExecutorRejectRedirects(transport, transport, http.MethodPost, to)
	if err != nil {
		return fmt.Errorf("prepare a stream to %s: %w", to.Host, err)
	}
	return executor.StreamWithContext(ctx, options)
}

// outcomeOf is how a command ended, as clients read it.
func outcomeOf(err error) *metav1.Status {
	var exited exec.ExitError
	switch {
	case err == nil:
		return &metav1.Status{Status: metav1.StatusSuccess}
	case errors.As(err, &exited) && exited.Exited():
		return &metav1.Status{
			Status: metav1.StatusFailure, Reason: "NonZeroExitCode",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: strconv.Itoa(exited.ExitStatus())}}},
			Message: fmt.Sprintf("command terminated with non-zero exit code: %v", exited),
		}
	default:
		return statusOf(err)
	}
}

// sizes are the terminal's sizes as the client sends them.
type sizes struct {
	next chan remotecommand.TerminalSize
}

// newSizes reads sizes until the connection ends, and then calls gone.
func newSizes(from io.Reader, gone func()) sizes {
	s := sizes{next: make(chan remotecommand.TerminalSize)}
	go func() {
		defer gone()
		defer close(s.next)
		decoder := json.NewDecoder(from)
		for {
			var size remotecommand.TerminalSize
			if decoder.Decode(&size) != nil {
				return
			}
			select {
			case s.next <- size:
			case <-time.After(streamPing): // nobody asks: there is no terminal
			}
		}
	}()
	return s
}

// Next implements remotecommand.TerminalSizeQueue.
func (s sizes) Next() *remotecommand.TerminalSize {
	size, ok := <-s.next
	if !ok {
		return nil
	}
	return &size
}
