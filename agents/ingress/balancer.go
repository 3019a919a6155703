package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	dialPatience = 3 * time.Second
	// mostTries bounds how many endpoints one request is tried at.
	mostTries = 4
	// idlePerEndpoint connections are kept open for the next request.
	idlePerEndpoint = 64
)

// Dial connects to an endpoint.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// balancer sends each request to the next endpoint of its pool, and on to another
// when that cannot be reached.
type balancer struct {
	transports map[speech]http.RoundTripper
}

func newBalancer(dial Dial) *balancer {
	var h1, h2 http.Protocols
	h1.SetHTTP1(true)
	h2.SetUnencryptedHTTP2(true)
	transport := func(speaks *http.Protocols) *http.Transport {
		return &http.Transport{
			Protocols: speaks, DialContext: dial, DisableCompression: true, // as the client asks, no more
			MaxIdleConnsPerHost: idlePerEndpoint, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: dialPatience, ExpectContinueTimeout: time.Second,
			MaxResponseHeaderBytes: 1 << 20,
		}
	}
	secure := transport(&h1)
	// A pod's certificate is for nobody in particular; what is asked for is only
	// that nobody reads along.
	secure.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	return &balancer{transports: map[speech]http.RoundTripper{plainHTTP: transport(&h1), plainHTTP2: transport(&h2), overTLS: secure}}
}

// poolKey is where a request's context has its pool.
type poolKey struct{}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	p, ok := r.Context().Value(poolKey{}).(*pool)
	if !ok {
		return nil, errNobody
	}
	order, how, err := p.order(time.Now())
	if err != nil {
		return nil, err
	}
	for i, at := range order[:min(len(order), mostTries)] {
		try := *r
		url := *r.URL
		url.Scheme, url.Host = "http", at.String()
		if how == overTLS {
			url.Scheme = "https"
		}
		try.URL = &url
		if r.Body != nil && r.Body != http.NoBody {
			try.Body = io.NopCloser(r.Body) // a try that fails must not close it for the next; the server does at the end
		}
		var response *http.Response
		if response, err = b.transports[how].RoundTrip(&try); err == nil {
			p.answered(at)
			return response, nil
		}
		if r.Context().Err() != nil {
			return nil, err
		}
		unreached := notReached(err)
		if unreached {
			p.silent(at, time.Now())
		}
		if last := i == len(order)-1; last || !unreached && !repeatable(r) {
			return nil, err
		}
	}
	return nil, err
}

// notReached says that nothing of a request was sent.
func notReached(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// repeatable says that a request may come twice.
func repeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Header.Get("Upgrade") == ""
	}
	return false
}
