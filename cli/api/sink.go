package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
)

// sink is where the frames of a watch go: an endless HTTP answer, or the
// WebSocket of a dashboard.
type sink interface {
	// write sends a frame, perhaps later; flush sends it now. Both answer errGone
	// when the client does not read any more.
	write(frame []byte) error
	flush() error
	close()
}

// openSink chooses the sink by what the client speaks. gone is called when the
// client is seen to leave.
func (c *call) openSink(mediaType string, gone context.CancelFunc) sink {
	if wsstream.IsWebSocketRequest(c.r) {
		return &socketSink{call: c, gone: gone}
	}
	return &chunkSink{call: c, media: mediaType, stream: c.openStream()}
}

// chunkSink writes chunks of an HTTP answer.
type chunkSink struct {
	call   *call
	media  string
	stream *stream
	begun  bool
}

func (s *chunkSink) begin() {
	if !s.begun {
		s.begun = true
		s.call.w.Header().Set("Content-Type", s.media)
		s.call.w.WriteHeader(http.StatusOK)
	}
}

func (s *chunkSink) write(frame []byte) error {
	s.begin()
	return s.stream.write(frame)
}

func (s *chunkSink) flush() error {
	s.begin()
	return s.stream.flush()
}

func (*chunkSink) close() {}

// watchProtocols are what dashboards ask for; whichever it is, a frame is a
// text message, as kube-apiserver sends it.
var watchProtocols = []string{"base64.binary.k8s.io", "binary.k8s.io", "v1.watch.k8s.io"}

// socketSink writes messages to a WebSocket.
type socketSink struct {
	call *call
	gone context.CancelFunc
	conn *websocket.Conn
}

// begin upgrades late, so that a refusal before the first frame is an ordinary
// answer.
func (s *socketSink) begin() error {
	if s.conn != nil {
		return nil
	}
	upgrader := websocket.Upgrader{
		Subprotocols: watchProtocols,
		CheckOrigin:  anyOrigin,
	}
	s.call.w.begun = true
	conn, err := upgrader.Upgrade(s.call.w, s.call.r, nil)
	if err != nil {
		return errGone // the upgrader has answered
	}
	s.conn = conn
	go func() {
		defer s.gone()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	return nil
}

func (s *socketSink) write(frame []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.call.api.cfg.WritePatience)) // it answers no error
	if err := s.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		return errGone
	}
	return nil
}

func (s *socketSink) flush() error { return s.begin() }

func (s *socketSink) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}
