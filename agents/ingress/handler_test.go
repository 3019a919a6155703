package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/events/ingressrule"
)

func TestS9RequestsReachReadyEndpoints(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", says("five"))
	k.pod("10.244.0.6:8080", says("six"))
	k.service("web", "", "10.244.0.5", "10.244.0.6")
	web := entry("web", 0, "web.example.com/ web", "web.example.com/missing nobody", "web.example.com/old exact old")
	k.entry(web)
	k.eventually("the first Ingress", "200", func() string { return k.get("http://web.example.com/") })
	seen := map[string]int{}
	for range 20 {
		seen[k.get("http://web.example.com/x")]++
	}
	if seen["200 five"] != 10 || seen["200 six"] != 10 {
		t.Errorf("20 requests went %v", seen)
	}
	for url, want := range map[string]string{
		"http://other.example.com/":       "404 404 not found: no Ingress has a rule for this host and path",
		"http://web.example.com/missing":  "503 503 service unavailable: nobody is ready to answer",
		"https://web.example.com/":        "200 ",
		"https://unknown.example.com/foo": "404 ",
	} {
		if got := k.get(url); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	k.service("web", "", "10.244.0.6")
	k.eventually("one endpoint is left", "six", func() string { return k.get("http://web.example.com/") + k.get("http://web.example.com/") })
	for range 10 {
		if got := k.get("http://web.example.com/"); got != "200 six" {
			t.Errorf("after the endpoint went: %s", got)
		}
	}
	k.service("web", "")
	k.eventually("none is left", "503", func() string { return k.get("http://web.example.com/") })
	k.service("web", "", "10.244.0.5")
	k.eventually("one is back", "200 five", func() string { return k.get("http://web.example.com/") })
	secured := entry("web", 0, "web.example.com/ web")
	secured.Annotations = map[string]string{ingressrule.Redirect: "true"}
	k.entry(secured)
	k.eventually("plain requests are sent away", "308", func() string { return k.get("http://web.example.com/a%20b?c=d") })
	response, err := k.client().Get("http://web.example.com/a%20b?c=d")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if at := response.Header.Get("Location"); at != "https://web.example.com/a%20b?c=d" {
		t.Errorf("sent to %s", at)
	}
	k.gone(web)
	k.eventually("the ports close with the last Ingress", "refused", func() string { return k.get("http://web.example.com/") })
	k.eventually("status", Idle().Reason, func() string { return k.told().Reason })
}

// TestS9TheNextEndpointIsTried: a request, also one with a body, passes by
// endpoints that nobody listens at.
func TestS9TheNextEndpointIsTried(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(body), err)
	}))
	k.service("web", "", "10.244.0.4", "10.244.0.5", "10.244.0.6")
	k.service("dead", "", "10.244.0.4")
	k.entry(entry("web", 0, "web.example.com/ web", "web.example.com/dead dead"))
	k.eventually("the Ingress", "200", func() string { return k.get("http://web.example.com/") })
	client := k.client()
	for i := range 30 {
		for _, p := range k.ingress.handler.routes.Load().pools {
			p.mu.Lock()
			clear(p.avoid) // each request finds the dead ones by itself
			p.mu.Unlock()
		}
		response, err := client.Post("http://web.example.com/", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "100000<nil>" && string(body) != "100000 <nil>" {
			t.Fatalf("request %d: %d %s", i, response.StatusCode, body)
		}
	}
	if got := k.get("http://web.example.com/dead"); !strings.HasPrefix(got, "502 502 bad gateway: the backend did not answer") {
		t.Errorf("nobody listens: %s", got)
	}
}

func TestS9BackendsAreToldWhoTheClientIs(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "host", r.Host)
		_ = r.Header.Write(w)
	}))
	k.service("web", "", "10.244.0.5")
	k.entry(entry("web", 0, "web.example.com/ web"))
	k.eventually("the Ingress", "200", func() string { return k.get("http://web.example.com/") })
	for scheme, port := range map[string]string{"http": "192.0.2.7:80", "https": "192.0.2.7:443"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://web.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "evil", "X-Forwarded-Port": "1",
			"X-Forwarded-User": "root", "X-Real-Ip": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Mine": "stays",
		} {
			request.Header.Set(name, value)
		}
		response, err := k.client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		_, number, _ := net.SplitHostPort(k.where(port))
		for _, want := range []string{
			"host web.example.com", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: " + scheme, "X-Forwarded-Host: web.example.com",
			"X-Forwarded-Port: " + number, "X-Real-Ip: 127.0.0.1", "X-Mine: stays",
		} {
			if !strings.Contains(strings.ReplaceAll(string(body), "\r", ""), want+"\n") {
				t.Errorf("by %s, the backend misses %q in\n%s", scheme, want, body)
			}
		}
		for _, not := range []string{"6.6.6.6", "evil", "gopher", "root"} {
			if strings.Contains(string(body), not) {
				t.Errorf("by %s, the backend was told %q", scheme, not)
			}
		}
	}
}

func TestS9WebsocketsPass(t *testing.T) {
	k := newKit(t)
	k.run()
	upgrader := websocket.Upgrader{}
	k.pod("10.244.0.5:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			kind, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if conn.WriteMessage(kind, append([]byte("echo "), data...)) != nil {
				return
			}
		}
	}))
	k.service("web", "", "10.244.0.5")
	i := entry("web", 0, "web.example.com/ws web")
	k.entry(i)
	k.eventually("the Ingress", "400", func() string { return k.get("http://web.example.com/ws") })
	k.ingress.handler.patience = 50 * time.Millisecond // a quiet socket is none of a slow client
	transport, _ := k.client().Transport.(*http.Transport)
	dialer := websocket.Dialer{NetDialContext: transport.DialContext, TLSClientConfig: transport.TLSClientConfig.Clone()}
	for _, scheme := range []string{"ws", "wss"} {
		conn, _, err := dialer.DialContext(t.Context(), scheme+"://web.example.com/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			if err := conn.WriteMessage(websocket.TextMessage, fmt.Append(nil, n)); err != nil {
				t.Fatal(err)
			}
			_, data, err := conn.ReadMessage()
			if want := fmt.Sprint("echo ", n); err != nil || string(data) != want {
				t.Errorf("%s: %q, %v", scheme, data, err)
			}
			k.service("web", "", "10.244.0.5", "10.244.0.6") // a change drops nobody
			<-time.After(120 * time.Millisecond)
		}
		_ = conn.Close()
	}
}

// TestS9AnswersStream: what a backend says is passed on at once, and a request's
// body as well.
func TestS9AnswersStream(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintln(w, "heard", lines.Text())
			_ = control.Flush()
		}
	}))
	k.service("web", "", "10.244.0.5")
	k.entry(entry("web", 0, "web.example.com/ web"))
	k.eventually("the Ingress", "200", func() string { return k.get("https://web.example.com/") })
	body, say := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://web.example.com/", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(say, "one\n") }()
	response, err := k.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.ProtoMajor != 2 {
		t.Errorf("the client speaks %s", response.Proto)
	}
	heard := bufio.NewScanner(response.Body)
	for _, word := range []string{"one", "two", "three"} {
		if word != "one" {
			_, _ = io.WriteString(say, word+"\n")
		}
		if !heard.Scan() || heard.Text() != "heard "+word {
			t.Fatalf("%q, %v", heard.Text(), heard.Err())
		}
	}
	_ = say.Close()
}

// TestS9BackendsOfHTTP2: trailers pass, which gRPC needs, and so does TLS to a pod.
func TestS9BackendsOfHTTP2AndTLS(t *testing.T) {
	k := newKit(t)
	k.run()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = fmt.Fprint(w, r.Proto, r.TLS != nil)
		w.Header().Set("Grpc-Status", "7")
	})
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	k.podAt("10.244.0.5:8080", server.Listener.Addr().String())
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	k.podAt("10.244.0.6:8080", secure.Listener.Addr().String())
	k.service("rpc", "kubernetes.io/h2c", "10.244.0.5")
	k.service("tls", "https", "10.244.0.6")
	k.entry(entry("web", 0, "web.example.com/ rpc", "web.example.com/tls tls"))
	k.eventually("the Ingress", "200 HTTP/2.0false", func() string { return k.get("https://web.example.com/") })
	response, err := k.client().Get("https://web.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.Trailer.Get("Grpc-Status") != "7" {
		t.Errorf("trailer %v", response.Trailer)
	}
	if got := k.get("http://web.example.com/tls"); got != "200 HTTP/1.1true" {
		t.Errorf("a pod that speaks TLS: %s", got)
	}
}

// TestS9SlowClientsAreSentAway: those that never finish a header, a handshake or a
// body hold nobody up, and end.
func TestS9SlowClientsAreSentAway(t *testing.T) {
	k := newKit(t)
	k.ingress.doors.patience, k.ingress.doors.whole, k.ingress.handler.patience = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	k.run()
	k.pod("10.244.0.5:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		_, _ = io.WriteString(w, "done")
	}))
	k.service("web", "", "10.244.0.5")
	k.entry(entry("web", 0, "web.example.com/ web"))
	k.eventually("the Ingress", "200", func() string { return k.get("http://web.example.com/") })
	var open []func()
	for what, first := range map[string]string{
		"192.0.2.7:80 header":     "GET / HTTP/1.1\r\nHost: web.example.com\r\nX-Slow: ",
		"192.0.2.7:443 handshake": "\x16\x03\x01",
		"192.0.2.7:80 unread":     "POST / HTTP/1.1\r\nHost: other.example.com\r\nContent-Length: 1000\r\n\r\nx",
		"192.0.2.7:80 body":       "POST / HTTP/1.1\r\nHost: web.example.com\r\nContent-Length: 1000\r\n\r\nx",
	} {
		address, _, _ := strings.Cut(what, " ")
		for range 50 {
			conn, err := net.Dial("tcp", k.where(address))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, first); err != nil {
				t.Fatal(err)
			}
			open = append(open, func() {
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				said, err := io.ReadAll(conn)
				if isTimeout(err) {
					t.Fatalf("%s: still connected", what)
				}
				if strings.Contains(what, "body") && !strings.HasPrefix(string(said), "HTTP/1.1 408") {
					t.Errorf("%s: %s", what, said)
				}
			})
		}
	}
	if got := k.get("http://web.example.com/"); got != "200 done" {
		t.Errorf("beside slow ones: %s", got)
	}
	for _, ended := range open {
		ended()
	}
	slow, say := io.Pipe() // slow, though never too slow
	go func() {
		for range 8 {
			_, _ = say.Write([]byte("x"))
			<-time.After(100 * time.Millisecond)
		}
		_ = say.Close()
	}()
	response, err := k.client().Post("http://web.example.com/", "text/plain", slow)
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Errorf("a body that takes its time: %s", response.Status)
	}
}

func isTimeout(err error) bool {
	failed, ok := err.(net.Error) //nolint:errorlint // as io.Copy answers it
	return ok && failed.Timeout()
}

// TestS9PortsThatAreTakenAreNamed: the rest is served, and the port once it is free.
func TestS9PortsThatAreTakenAreNamed(t *testing.T) {
	k := newKit(t)
	other, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.at["192.0.2.7:80"], k.taken["192.0.2.7:80"] = other.Addr().String(), true
	k.run()
	k.pod("10.244.0.5:8080", says("five"))
	k.service("web", "", "10.244.0.5")
	k.entry(entry("web", 0, "web.example.com/ web"))
	k.eventually("the other port", "200", func() string { return k.get("https://web.example.com/") })
	told := k.told()
	if !told.Reached || told.Reason != "HTTPNotOpen" || !strings.Contains(told.Message, "port 80 of 192.0.2.7 is taken by another program") {
		t.Errorf("status %+v", told)
	}
	_ = other.Close()
	k.mu.Lock()
	k.taken["192.0.2.7:80"] = false
	k.mu.Unlock()
	k.eventually("the port is free again", "200", func() string { return k.get("http://web.example.com/") })
	if told := k.told(); told.Reason != "Serving" || told.Message != "Ingresses are served at 192.0.2.7:80, 192.0.2.7:443 (TLS)" {
		t.Errorf("status %+v", told)
	}
}

// TestS9AStatusSaysWhichKindOfPortIsNotOpen, for those who tell clients where to go.
func TestS9AStatusSaysWhichKindOfPortIsNotOpen(t *testing.T) {
	var all []door
	for _, address := range []string{"192.0.2.7", "192.0.2.8"} {
		for port, secure := range map[uint16]bool{80: false, 443: true} {
			all = append(all, door{at: netip.AddrPortFrom(netip.MustParseAddr(address), port), secure: secure})
		}
	}
	for want, taken := range map[string]string{
		"Serving": "", "HTTPNotOpen": "192.0.2.8:80", "HTTPSNotOpen": "192.0.2.7:443 192.0.2.8:443",
		"SomePortsNotOpen": "192.0.2.7:80 192.0.2.8:443", "PortsNotOpen": "192.0.2.7:80 192.0.2.7:443 192.0.2.8:80 192.0.2.8:443",
	} {
		d, failed := doors{all: all, open: map[door]net.Listener{}}, map[door]error{}
		for _, one := range all {
			if slices.Contains(strings.Fields(taken), one.at.String()) {
				failed[one] = syscall.EADDRINUSE
			} else {
				d.open[one] = nil
			}
		}
		if told := d.status(failed); told.Reason != want || told.Reached != (want != "PortsNotOpen") {
			t.Errorf("without %s: %+v, want %s", taken, told, want)
		}
	}
}

// TestS9ABackendIsAPortByNameOrNumber: what is wrong with a Service is said, and
// keeps no other from being served.
func TestS9ABackendIsAPortByNameOrNumber(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", says("five"))
	k.service("web", "", "10.244.0.5")
	k.apply(catalog.Services, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "name"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "a.b"},
	})
	i := entry("web", 0, "web.example.com/ web", "web.example.com/named web", "web.example.com/wrong web", "web.example.com/external name", "web.example.com/bucket web")
	i.Spec.Rules[1].HTTP.Paths[0].Backend.Service.Port.Number, i.Spec.Rules[1].HTTP.Paths[0].Backend.Service.Port.Name = 0, "http"
	i.Spec.Rules[2].HTTP.Paths[0].Backend.Service.Port.Number = 81
	i.Spec.Rules[4].HTTP.Paths[0].Backend.Service = nil
	k.entry(i)
	k.eventually("the Ingress", "200", func() string { return k.get("http://web.example.com/") })
	for path, want := range map[string]string{"named": "200 five", "wrong": "503", "external": "503", "bucket": "503"} {
		if got := k.get("http://web.example.com/" + path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
