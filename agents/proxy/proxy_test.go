package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/proto"
)

// memory is a plane that only remembers, and fails when it is told to.
type memory struct {
	mu   sync.Mutex
	have map[types.NamespacedName]Rules
	log  []string
	told []string                          // whether it works
	fail func(call string, r *Rules) error // r is nil for the whole call
}

func (m *memory) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func (m *memory) Remove(context.Context) error { return nil }

func (m *memory) Sync(_ context.Context, state State) (Failures, error) {
	return m.do("sync", state.Services, map[types.NamespacedName]Rules{})
}

func (m *memory) Set(_ context.Context, changed []Rules) (Failures, error) {
	return m.do("set", changed, m.have)
}

func (m *memory) do(call string, rules []Rules, into map[types.NamespacedName]Rules) (Failures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for i := range rules {
		names = append(names, rules[i].Service.Name)
	}
	m.log = append(m.log, strings.TrimSpace(call+" "+strings.Join(names, " ")))
	if m.fail != nil {
		if err := m.fail(call, nil); err != nil {
			return nil, err
		}
	}
	failed := Failures{}
	for i := range rules {
		if m.fail != nil {
			if err := m.fail(call, &rules[i]); err != nil {
				failed[rules[i].Service] = err
				continue
			}
		}
		into[rules[i].Service] = rules[i]
		if len(rules[i].Frontends) == 0 {
			delete(into, rules[i].Service)
		}
	}
	m.have = into
	return failed, nil
}

// said answers the calls since the last time.
func (m *memory) said() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := strings.Join(m.log, ", ")
	m.log = nil
	return out
}

func (m *memory) failing(f func(string, *Rules) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

func put(t *testing.T, c *catalog.Catalog, name, ip string, endpoints ...string) {
	t.Helper()
	s := sample()
	s.Name, s.Spec.ClusterIP, s.Spec.ClusterIPs = name, ip, []string{ip}
	body, err := s.Service.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(&proto.WantPod{Key: catalog.Services.Key("shop", name), Body: body}); err != nil {
		t.Fatal(err)
	}
	slice := sliceOf("", 8080, endpoints...)
	slice.ObjectMeta = metav1.ObjectMeta{Namespace: "shop", Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}}
	if body, err = slice.Marshal(); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(&proto.WantPod{Key: catalog.Slices.Key("shop", name+"-1"), Body: body}); err != nil {
		t.Fatal(err)
	}
}

// running is a proxy over a memory plane, in a bubble; it answers what it logs.
func running(t *testing.T, c *catalog.Catalog, m *memory, node func() Node, moved ...chan struct{}) *strings.Builder {
	t.Helper()
	log := &strings.Builder{}
	told := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = append(m.told, fmt.Sprint(err))
	}
	cfg := Config{Catalog: c, Plane: m, Node: node, Told: told, Logger: slog.New(slog.NewTextHandler(log, nil))}
	for _, told := range moved {
		cfg.Moved = told
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
	})
	synctest.Wait()
	return log
}

func nodeHere() Node { return here }

func TestS3TheProxyTellsThePlaneWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := &catalog.Catalog{}, &memory{}
		put(t, c, "web", "10.96.0.1", "10.0.0.5")
		put(t, c, "api", "10.96.0.2")
		expect := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := m.said(); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		running(t, c, m, nodeHere)
		expect("at start", "sync api web")
		put(t, c, "api", "10.96.0.2", "10.0.0.6")
		expect("a change", "set api")
		put(t, c, "api", "10.96.0.2", "10.0.0.6", "10.0.0.7 notready")
		expect("a change that means nothing here", "")
		_ = c.Apply(&proto.WantPod{Key: catalog.Services.Key("shop", "api"), Gone: true})
		expect("a Service goes", "set api")
		if len(m.have) != 1 {
			t.Errorf("the plane has %v", m.have)
		}
		time.Sleep(syncEvery - time.Second)
		expect("nothing happens", "")
		time.Sleep(2 * time.Second)
		expect("the time of comparing", "sync web")
	})
}

func TestS3AServiceThatFailsIsTriedAgainAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := &catalog.Catalog{}, &memory{}
		put(t, c, "web", "10.96.0.1", "10.0.0.5")
		put(t, c, "bad", "10.96.0.2", "10.0.0.6")
		m.failing(func(_ string, r *Rules) error {
			if r != nil && r.Service.Name == "bad" {
				return errors.New("no")
			}
			return nil
		})
		log := running(t, c, m, nodeHere)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "does not work"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, log)
		}
		calls := strings.Split(m.said(), ", ")
		if calls[0] != "sync bad web" || len(calls) < 8 || len(calls) > 14 {
			t.Errorf("%d calls in the first minute: %v", len(calls), calls)
		}
		for i, call := range calls {
			want := "set bad"
			if i == 0 || i == doubtAfter { // at start, and once in doubt
				want = "sync bad web"
			}
			if call != want {
				t.Errorf("call %d: %s, want %s", i, call, want)
			}
		}
		m.failing(nil)
		time.Sleep(lastRetry)
		synctest.Wait()
		if len(m.have) != 2 || m.said() != "set bad" {
			t.Errorf("once it can be done: %v", m.have)
		}
	})
}

func TestS3AfterAFailedCallEverythingIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := &catalog.Catalog{}, &memory{}
		put(t, c, "web", "10.96.0.1", "10.0.0.5")
		m.failing(func(call string, r *Rules) error {
			if r == nil {
				return fmt.Errorf("%s: no kernel", call)
			}
			return nil
		})
		running(t, c, m, nodeHere)
		time.Sleep(time.Second)
		put(t, c, "api", "10.96.0.2")
		time.Sleep(10 * time.Second)
		if calls := strings.Split(m.said(), ", "); len(calls) < 4 || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "set") }) {
			t.Errorf("while nothing works: %v", calls)
		}
		m.failing(nil)
		time.Sleep(lastRetry)
		synctest.Wait()
		if m.said() != "sync api web" || len(m.have) != 2 {
			t.Errorf("once it works: %v", m.have)
		}
		if last := len(m.told) - 1; m.told[last] != "<nil>" || !strings.Contains(m.told[0], "sync: no kernel") || !strings.Contains(m.told[last-1], "sync: no kernel") {
			t.Errorf("it was told: %v", m.told)
		}
	})
}

func TestS5ANodeThatMovesIsPlannedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, node := &catalog.Catalog{}, &memory{}, here
		var mu sync.Mutex
		s := sample()
		s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30080
		body, _ := s.Service.Marshal()
		if err := c.Apply(&proto.WantPod{Key: catalog.Services.Key("shop", "web"), Body: body}); err != nil {
			t.Fatal(err)
		}
		moved := make(chan struct{})
		running(t, c, m, func() Node { mu.Lock(); defer mu.Unlock(); return node }, moved)
		m.said()
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if got := m.said(); got != "" {
			t.Errorf("nothing moved: %s", got)
		}
		mu.Lock()
		node.Addresses = append(slices.Clone(node.Addresses), netip.MustParseAddr("fe80::7")) // a pod's link came
		mu.Unlock()
		time.Sleep(lookEvery)
		synctest.Wait()
		if got := m.said(); got != "" {
			t.Errorf("an address came that serves nothing: %s", got)
		}
		mu.Lock()
		node.Addresses = node.Addresses[:2]
		mu.Unlock()
		time.Sleep(lookEvery)
		synctest.Wait()
		web := m.have[types.NamespacedName{Namespace: "shop", Name: "web"}]
		if got := m.said(); got != "sync web" || len(web.Frontends) != 2 {
			t.Errorf("%s: %s", got, show(web))
		}
		mu.Lock()
		node.Pods = []netip.Prefix{netip.MustParsePrefix("10.244.77.0/24")}
		mu.Unlock()
		moved <- struct{}{} // who knows of it need not wait
		synctest.Wait()
		if got := m.said(); got != "sync web" {
			t.Errorf("another range of pods: %q", got)
		}
	})
}

// TestS5WhoLosesAnAddressIsNamed, also when another Service comes later and
// takes it.
func TestS5WhoLosesAnAddressIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := &catalog.Catalog{}, &memory{}
		wish := func(name string, since int64) {
			s := sample()
			s.Name, s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.ExternalIPs = name, "", nil, []string{"192.0.2.9"}
			s.CreationTimestamp = metav1.Unix(since, 0)
			body, err := s.Service.Marshal()
			if err == nil {
				err = c.Apply(&proto.WantPod{Key: catalog.Services.Key("shop", name), Body: body})
			}
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		log := running(t, c, m, nodeHere)
		wish("young", 2)
		if log.Len() > 0 {
			t.Errorf("while nobody has it: %s", log)
		}
		wish("old", 1)
		if n := strings.Count(log.String(), "Service shop/old has it"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, log)
		}
	})
}

// TestS5LoadBalancersAskForLocalBackends over a real port.
func TestS5LoadBalancersAskForLocalBackends(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(free.Addr().(*net.TCPAddr).Port)
	_ = free.Close()
	name := types.NamespacedName{Namespace: "shop", Name: "web"}
	r := &round{cfg: Config{Logger: slog.New(slog.DiscardHandler)}, health: newHealth(slog.New(slog.DiscardHandler))}
	defer r.health.close()
	ask := func() (int, string) {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	for _, step := range []struct {
		health Health
		code   int
		says   string
	}{
		{Health{port, 2}, 200, `"localEndpoints":2`},
		{Health{port, 0}, 503, `"localEndpoints":0`},
		{Health{}, 0, "refused"},
		{Health{port, 1}, 200, `"name":"web"`},
	} {
		if err := r.health.set(t.Context(), name, step.health); err != nil {
			t.Fatal(err)
		}
		if code, says := ask(); code != step.code || !strings.Contains(says, step.says) {
			t.Errorf("%+v: %d %s", step.health, code, says)
		}
	}
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	if err := r.health.set(t.Context(), other, Health{port, 1}); err == nil || !strings.Contains(err.Error(), "shop/other") {
		t.Errorf("a taken port: %v", err)
	}
}
