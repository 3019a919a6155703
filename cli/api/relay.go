package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/proto"
)

// relayPaths are the first segments of what a node's agent serves.
var relayPaths = map[string]string{
	"log": "containerLogs", "exec": "exec", "attach": "attach", "portforward": "portForward",
}

// nodeSuffix makes a host name of a node's name: the transport dials it.
const nodeSuffix = ".node.segno"

// nodeTransport reaches nodes by their name. Connections are not kept: each
// stands for one stream of one user.
func nodeTransport(nodes Nodes) *http.Transport {
	return &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, fmt.Errorf("dial node %s: %w", addr, err)
			}
			return nodes.DialNode(ctx, proto.NodeName(strings.TrimSuffix(host, nodeSuffix)))
		},
	}
}

// relay hands a stream on to the agent of the pod's node.
func (c *call) relay() error {
	if c.past != nil {
		return statusText(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"the past is read-only: %s of pod %q is only possible now", c.target.Subresource, c.target.Name)
	}
	switch {
	case c.r.Method == http.MethodGet, c.r.Method == http.MethodPost && c.target.Subresource != "log":
	default:
		return notAllowed(c.target)
	}
	obj, _, err := c.object()
	if err != nil {
		return err
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return notServed()
	}
	location, err := c.location(pod)
	if err != nil || location == nil {
		return err
	}
	if c.api.relay == nil {
		return apierrors.NewServiceUnavailable("this control plane reaches no nodes")
	}
	if c.target.Subresource != "log" {
		c.record(proto.AuditReceived) // it may go on for days
	}
	if handled, err := c.stream(location); handled {
		return err
	}
	c.proxy(pod, location)
	return nil
}

// location is where the agent serves the stream; nil when the answer is
// already given: a pod without a node has written no logs yet.
func (c *call) location(pod *corev1.Pod) (*url.URL, error) {
	query := c.r.URL.Query()
	sub := c.target.Subresource
	path := "/" + relayPaths[sub] + "/" + pod.Namespace + "/" + pod.Name
	if sub != "portforward" {
		container, err := containerOf(pod, query.Get("container"))
		if err != nil {
			return nil, err
		}
		path += "/" + container
		query.Del("container")
	}
	if sub == "log" {
		if err := logProblems(query); err != nil {
			return nil, err
		}
	}
	if pod.Spec.NodeName == "" {
		if sub == "log" {
			return nil, c.sendText("")
		}
		return nil, badRequest("pod %s does not have a host assigned", pod.Name)
	}
	return &url.URL{Scheme: "http", Host: pod.Spec.NodeName + nodeSuffix, Path: path, RawQuery: agentQuery(sub, query).Encode()}, nil
}

// agentQuery spells parameters as agents read them, who follow the kubelet.
func agentQuery(sub string, query url.Values) url.Values {
	if sub != "exec" && sub != "attach" {
		return query
	}
	for api, agent := range map[string]string{"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"} {
		on := flag(query.Get(api))
		query.Del(api)
		if on {
			query.Set(agent, "1")
		}
	}
	return query
}

func (c *call) proxy(pod *corev1.Pod, to *url.URL) {
	proxy := &httputil.ReverseProxy{
		Transport:     c.api.relay,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(c.api.log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL = to
			r.Out.Host = to.Host
			for _, name := range []string{"Authorization", "Cookie", "Accept-Encoding"} {
				r.Out.Header.Del(name)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			for _, name := range []string{"Audit-Id", "X-Request-Id", headerNow, "Cache-Control"} {
				r.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			c.fail(apierrors.NewServiceUnavailable(fmt.Sprintf("node %s of pod %s/%s: %s", pod.Spec.NodeName, pod.Namespace, pod.Name, err)))
		},
	}
	proxy.ServeHTTP(c.w, c.r)
}
