// Package probe asks a container whether it is well.
//
// What comes in: a probe of a pod's spec and where the container is. What goes
// out: nil, or why it is not well.
//
// What never happens here: a loop, a threshold, a memory of earlier answers;
// those are package pod's.
//
// All of it is in this file.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/agents/runtime"
)

// Target is the container that is asked.
type Target struct {
	Address string // the pod's
	Ports   []corev1.ContainerPort
	Ref     runtime.Ref
	Runtime runtime.Streams
}

// mostOutput is how much of an answer is looked at and shown.
const mostOutput = 10 << 10

// Once asks one time; nil means that the container is well.
func Once(ctx context.Context, to Target, p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	switch {
	case p.Exec != nil:
		return to.exec(ctx, p.Exec.Command)
	case p.HTTPGet != nil:
		return to.get(ctx, p.HTTPGet)
	case p.TCPSocket != nil:
		return to.connect(ctx, p.TCPSocket)
	default:
		return errors.New("this kind of probe is not supported by this version of segno")
	}
}

func (t Target) exec(ctx context.Context, command []string) error {
	var out beginning
	code, err := t.Runtime.Exec(ctx, t.Ref, runtime.Exec{Command: command, Kill: true, StreamSet: runtime.StreamSet{Stdout: &out, Stderr: &out}})
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("exit status %d: %s", code, bytes.TrimSpace(out.kept))
	}
	return nil
}

// beginning keeps the first bytes that are written, and lets the others go: a
// command may write without end.
type beginning struct{ kept []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), mostOutput-len(b.kept))]...)
	return len(p), nil
}

func (t Target) connect(ctx context.Context, s *corev1.TCPSocketAction) error {
	address, err := t.at(s.Host, s.Port)
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// get counts 200 to 399 as well. A redirect to elsewhere is one of them: the
// container did answer.
func (t Target) get(ctx context.Context, g *corev1.HTTPGetAction) error {
	address, err := t.at(g.Host, g.Port)
	if err != nil {
		return err
	}
	path, query, _ := strings.Cut(g.Path, "?")
	to := url.URL{Scheme: strings.ToLower(string(g.Scheme)), Host: address, Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
	if to.Scheme == "" {
		to.Scheme = "http"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/segno")
	for _, h := range g.HTTPHeaders {
		if strings.EqualFold(h.Name, "Host") {
			request.Host = h.Value
		}
		request.Header.Add(h.Name, h.Value)
	}
	answer, err := client().Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, mostOutput))
	if answer.StatusCode < http.StatusOK || answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", answer.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}

// client connects anew each time, never over a proxy, and takes any
// certificate: the question is whether the container answers.
func client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if request.URL.Host != via[0].URL.Host || len(via) > 9 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// at is where a port is; a name is one of the container's own ports.
func (t Target) at(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = t.Address
	}
	number := port.IntValue()
	if port.Type == intstr.String {
		for _, p := range t.Ports {
			if p.Name == port.StrVal {
				number = int(p.ContainerPort)
			}
		}
	}
	if number <= 0 || number > 65535 {
		return "", fmt.Errorf("the container has no port %s", port.String())
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}
