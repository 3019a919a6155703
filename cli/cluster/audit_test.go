package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime/simulated"
	"segno/bus"
	"segno/cli/api"
	"segno/proto"
)

// audited asks the audit for events.
func (w *world) audited(params string) (events []*proto.AuditEvent) {
	w.t.Helper()
	answer, err := w.http.Get("http://segno/apis/history.segno/v1/audit?" + params)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		w.t.Fatalf("audit?%s: %s: %s", params, answer.Status, body)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		event := &proto.AuditEvent{}
		if err := json.Unmarshal(lines.Bytes(), event); err != nil {
			w.t.Fatalf("%v in %s", err, lines.Text())
		}
		events = append(events, event)
	}
	if lines.Err() != nil {
		w.t.Fatal(lines.Err())
	}
	return events
}

// briefly is an event on one line: what a test compares.
func briefly(e *proto.AuditEvent) string {
	text := fmt.Sprintf("%s %s", e.User.Username, e.Verb)
	if e.ObjectRef != nil {
		text += " " + e.ObjectRef.String()
	}
	if e.ResponseStatus == nil {
		return text + ": " + string(e.Stage)
	}
	return strings.TrimSpace(text + fmt.Sprintf(": %d %s", e.ResponseStatus.Code, e.ResponseStatus.Reason))
}

// only is the one event that the audit has of a request.
func (w *world) only(params string) *proto.AuditEvent {
	w.t.Helper()
	events := w.audited(params)
	if len(events) != 1 {
		for _, e := range events {
			w.t.Logf("  %s", briefly(e))
		}
		w.t.Fatalf("audit?%s has %d events, want one", params, len(events))
	}
	return events[0]
}

// send makes a request as a user and answers its Audit-Id and code; what it is
// answered is read to its end.
func (w *world) send(user, method, path, body string, header ...string) (id string, code int) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.ctx, method, "http://segno"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "probe/1")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if user != "" {
		r.Header.Set(asUser, user)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		w.t.Fatal(err)
	}
	return answer.Header.Get("Audit-Id"), answer.StatusCode
}

const configMapsPath = "/api/v1/namespaces/" + space + "/configmaps"

func TestE13EveryOutcomeIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		config := func(name, version string) string {
			return fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"resourceVersion":%q},"data":{"password":"hunter2"}}`, name, version)
		}
		for _, try := range []struct {
			user, method, path, body string
			code                     int
			told                     string
		}{
			{"", "POST", configMapsPath, config("one", ""), 201, "ada create configmaps/default/one: 201"},
			{"", "GET", configMapsPath + "/one", "", 200, "ada get configmaps/default/one: 200"},
			{"", "GET", configMapsPath, "", 200, "ada list configmaps/default: 200"},
			{"", "GET", "/at/2/api/v1/pods", "", 200, "ada list pods: 200"},
			{"", "GET", "/apis/history.segno/v1/why?resource=configmaps&namespace=default&name=one", "", 200, "ada get configmaps/default/one: 200"},
			{"", "GET", "/at/soon/api/v1/pods", "", 400, "ada get: 400 BadRequest"},
			{"", "PUT", "/at/2" + configMapsPath + "/one", "{}", 405, "ada update configmaps/default/one: 405 MethodNotAllowed"},
			{nobody, "GET", configMapsPath + "/one", "", 401, "system:anonymous get configmaps/default/one: 401 Unauthorized"},
			{"bob", "DELETE", configMapsPath + "/one", "", 403, "bob delete configmaps/default/one: 403 Forbidden"},
			{"bob", "GET", "/apis/history.segno/v1/audit", "", 403, "bob list audit.history.segno: 403 Forbidden"},
			{"", "GET", configMapsPath + "/none", "", 404, "ada get configmaps/default/none: 404 NotFound"},
			{"", "GET", "/api/v1/nonsense", "", 404, "ada list nonsense: 404 NotFound"},
			{"", "POST", configMapsPath, config("one", ""), 409, "ada create configmaps/default/one: 409 AlreadyExists"},
			{"", "PUT", configMapsPath + "/one", config("one", "1"), 409, "ada update configmaps/default/one: 409 Conflict"},
			{"", "POST", configMapsPath, config("Not A Name", ""), 422, "ada create configmaps/default/Not A Name: 422 Invalid"},
			{"", "DELETE", configMapsPath, "", 200, "ada deletecollection configmaps/default: 200"},
		} {
			id, code := w.send(try.user, try.method, try.path, try.body, "Segno-Command", "segno probe")
			if code != try.code {
				t.Errorf("%s %s: %d, want %d", try.method, try.path, code, try.code)
			}
			e := w.only("id=" + id)
			if briefly(e) != try.told {
				t.Errorf("%s %s is recorded as %q, want %q", try.method, try.path, briefly(e), try.told)
			}
			decision := "allow"
			if code == 401 || code == 403 {
				decision = "forbid"
			}
			switch {
			case e.Kind != "Event" || e.APIVersion != "audit.k8s.io/v1" || e.Level != "Metadata" || e.Stage != proto.AuditComplete:
				t.Errorf("it is no audit event: %+v", e)
			case e.RequestURI != try.path || e.UserAgent != "probe/1" || e.Annotations[proto.AuditVia] != "segno probe" || e.Annotations[proto.AuditDecision] != decision:
				t.Errorf("it is recorded with %+v", e)
			case e.RequestReceived.After(e.StageAt.Time) || time.Since(e.StageAt.Time) > time.Second:
				t.Errorf("it took from %s to %s", e.RequestReceived, e.StageAt)
			}
		}
		// What a request made is in the log under the sequence, and with the request's id.
		made := w.only("verb=create&outcome=201&resource=configmaps")
		seq, err := proto.ParseSeq(made.Annotations[proto.AuditSequence])
		if err != nil || seq == 0 {
			t.Fatalf("it made the sequence %q", made.Annotations[proto.AuditSequence])
		}
		env, err := w.cluster.logs.Envelope(w.ctx, proto.StreamEvents, seq)
		if err != nil || env == nil || env.Correlation != made.AuditID || env.Cause.Request != made.AuditID {
			t.Errorf("transaction %d is %+v, %v; want it to be of request %s", seq, env, err, made.AuditID)
		}
		if at := w.only("verb=list&resource=pods&actor=ada&limit=1").Annotations[proto.AuditAt]; at != "2" {
			t.Errorf("the moment that was asked for is recorded as %q", at)
		}
		for outcome, want := range map[string]int{"refused": 8, "missing": 2, "failed": 0} {
			if n := len(w.audited("outcome=" + outcome + "&limit=0")); n != want {
				t.Errorf("%d requests were %s, want %d", n, outcome, want)
			}
		}
		if n := len(w.audited("actor=bob")); n != 2 {
			t.Errorf("bob made %d requests, want 2", n)
		}
		// Neither bodies nor questions about health are there.
		before := len(w.audited("limit=0"))
		for _, path := range []string{"/readyz", "/livez", "/healthz"} {
			w.send("", "GET", path, "")
		}
		all := w.audited("limit=0")
		if len(all) != before+1 { // the question itself
			t.Errorf("questions about health are recorded: %d events, then %d", before, len(all))
		}
		for _, e := range all {
			if text, _ := json.Marshal(e); bytes.Contains(text, []byte("hunter2")) {
				t.Errorf("a body is recorded: %s", text)
			}
		}
	})
}

func TestE13StreamsAreRecordedAtTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		w.run("talks", map[string]string{simulated.Log: "hello"})
		w.within(time.Minute, "it runs", func() bool { return ready(w.pods(), "") == 1 })

		// A watch, with how long it was; by its own end, and by the client's.
		w.send("", "GET", podsPath+"?watch=true&timeoutSeconds=90", "")
		e := w.only("verb=watch&source=&actor=ada&limit=1")
		if took := e.StageAt.Sub(e.RequestReceived.Time); e.ResponseStatus.Code != 200 || took < 90*time.Second || took > 92*time.Second {
			t.Errorf("the watch is recorded as %s with %s", briefly(e), took)
		}
		ctx, leave := context.WithCancel(w.ctx)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://segno"+podsPath+"/talks/log?follow=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		leave()
		_ = answer.Body.Close()
		w.within(time.Minute, "the log's end is recorded", func() bool { return len(w.audited("id="+answer.Header.Get("Audit-Id"))) == 1 })
		e = w.only("id=" + answer.Header.Get("Audit-Id"))
		if took := e.StageAt.Sub(e.RequestReceived.Time); briefly(e) != "ada get pods/default/talks/log: 200" || took < 5*time.Second {
			t.Errorf("the log is recorded as %s with %s: %s", briefly(e), took, e.ResponseStatus.Message)
		}

		// A stream into a container is recorded when it begins, too; not with what it says.
		id, code := w.send("", "POST", podsPath+"/talks/exec?command=sh&command=-c&command=hunter2&stdout=true&token=hunter2", "",
			"Segno-Command", "segno exec talks --raw=/x?token=hunter2 -- sh -c hunter2")
		events := w.audited("id=" + id)
		if len(events) != 2 || events[0].Stage != proto.AuditReceived || int(events[1].ResponseStatus.Code) != code {
			t.Errorf("exec was answered %d, and recorded as %d events", code, len(events))
		}
		for _, e := range events {
			text, _ := json.Marshal(e)
			uri, _ := url.QueryUnescape(e.RequestURI)
			if bytes.Contains(text, []byte("hunter2")) || !strings.Contains(uri, "command=sh&command=…") || e.Annotations[proto.AuditVia] != "segno exec talks --raw=/x?token=… -- sh …" {
				t.Errorf("exec is recorded as %s", text)
			}
		}
	})
}

func TestE13RefusedOverTheBusIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		credential, err := bus.NewCredential(proto.NodeActor("sly"))
		if err != nil {
			t.Fatal(err)
		}
		server := w.cluster.server
		if err := server.Identities().Add(bus.Identity{Role: bus.RoleNode, Name: "sly", Public: credential.Public}); err != nil {
			t.Fatal(err)
		}
		conn, err := bus.Connect(w.ctx, bus.ConnectConfig{Server: server, Name: `Publish Violation - Subject "x"`, Actor: credential.Actor, Seed: credential.Seed})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()

		// It speaks for another node, on a subject that is not its own.
		forged := bus.NewLink(conn, "sim-1")
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if _, err := forged.Report(ctx, proto.Report{}); err == nil {
			t.Error("a forged report was answered")
		}
		w.within(time.Minute, "the forged subject is recorded", func() bool { return len(w.audited("verb=publish")) > 0 })
		e := w.audited("verb=publish")[0]
		if briefly(e) != "node:sly publish: 403 Forbidden" || e.RequestURI != "nats:sts.sim-1.report" || e.Annotations[proto.AuditBus] != "node:sly" {
			t.Errorf("a forged subject is recorded as %s %+v", briefly(e), e)
		}

		// On its own subjects it speaks of what is not its own.
		link := bus.NewLink(conn, "sly")
		other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "sim-1"}}
		if _, err := link.Register(w.ctx, other); err == nil {
			t.Error("it was registered as another node")
		}
		item := proto.ReportItem{Key: proto.Resource{Name: "nodes"}.Key("", "sim-2"), UID: "x"}
		if reply, err := link.Report(w.ctx, proto.Report{Items: []proto.ReportItem{item}}); err != nil || reply.Errors[0] == "" {
			t.Errorf("its report about another node was answered %+v, %v", reply, err)
		}
		for verb, want := range map[string]string{
			"register": "node:sly register nodes/sly: 403 Forbidden", "report": "node:sly report nodes/sim-2: 403 Forbidden",
		} {
			if e := w.only("verb=" + verb + "&source=node:sly"); briefly(e) != want {
				t.Errorf("recorded as %q, want %q", briefly(e), want)
			}
		}

		// One whom nobody knows.
		stranger, err := bus.NewCredential(proto.NodeActor("stranger"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Connect(w.ctx, bus.ConnectConfig{Server: server, Name: "stranger", Actor: stranger.Actor, Seed: stranger.Seed}); err == nil {
			t.Error("a stranger was let in")
		}
		if e := w.only("verb=connect"); briefly(e) != "system:anonymous connect: 401 Unauthorized" {
			t.Errorf("recorded as %s", briefly(e))
		}
		// What was accepted is in the log, and not here.
		if n := len(w.audited("actor=node:sim-1&limit=0")); n != 0 {
			t.Errorf("%d accepted requests of a node are recorded", n)
		}
	})
}

func TestE13AFloodOfRefusalsIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 1})
		const path, times = "/api/v1/namespaces/" + space + "/secrets/", 200
		for i := range times {
			for _, name := range []string{"one", fmt.Sprint(i)} {
				if _, code := w.send("eve", http.MethodGet, path+name, ""); code != http.StatusForbidden {
					t.Fatalf("eve is answered %d", code)
				}
			}
		}
		time.Sleep(time.Minute)
		asked, same := 0, 0
		for _, e := range w.audited("actor=user:eve&outcome=refused&limit=0") {
			n := 1
			if count := e.Annotations[proto.AuditCount]; count != "" {
				if _, err := fmt.Sscan(count, &n); err != nil {
					t.Error(err)
				}
			}
			if asked += n; e.ObjectRef != nil && e.ObjectRef.Name == "one" {
				same += n
			}
		}
		if asked != 2*times || same != times {
			t.Errorf("%d refusals are counted, %d of them of one object: want %d and %d", asked, same, 2*times, times)
		}
		if n := len(w.audited("actor=user:eve&limit=0")); n > 40 {
			t.Errorf("they are %d records", n)
		}
	})
}

func TestE13TheAuditIsKeptForAsLongAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{AuditKeep: time.Hour})
		w.send("", "GET", configMapsPath+"/early", "")
		time.Sleep(30 * time.Minute)
		w.send("", "GET", configMapsPath+"/late", "")
		if n := len(w.audited("name=early")); n != 1 {
			t.Fatalf("after half an hour %d of one request are kept", n)
		}
		time.Sleep(40 * time.Minute)
		if n := len(w.audited("name=early")); n != 0 {
			t.Errorf("after more than an hour, a request that is to be kept for one is there")
		}
		if n := len(w.audited("name=late")); n != 1 {
			t.Errorf("%d of a request of 40 minutes ago are kept", n)
		}
		answer, err := w.http.Get("http://segno/apis/history.segno/v1/audit?since=3h")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if said := answer.Header.Get("Warning"); !strings.Contains(said, "events are not kept any more: the audit begins at ") {
			t.Errorf("that something is not there any more is said as %q", said)
		}
		w.verify()
	})
}

func TestE13TheAuditIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newWorld(t, Config{})
		answer, err := w.http.Get("http://segno/apis/history.segno/v1/audit?follow=true&resource=configmaps&since=1h")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		lines := bufio.NewReader(answer.Body)
		for i := range 3 {
			w.send("", "GET", fmt.Sprintf("%s/c%d", configMapsPath, i), "")
			asked := time.Now()
			line, err := lines.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			var e proto.AuditEvent
			if err := json.Unmarshal(line, &e); err != nil || e.ObjectRef.Name != fmt.Sprintf("c%d", i) {
				t.Errorf("heard %s, %v", line, err)
			}
			if late := time.Since(asked); late > time.Second {
				t.Errorf("heard after %s", late)
			}
		}
		stop() // does not wait for who follows
	})
}

// TestE13ARestartKeepsTheAudit is on real time and a real disk.
func TestE13ARestartKeepsTheAudit(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Runtime: RuntimeSimulated}
	w, stop := newWorld(t, cfg)
	for i := range 20 {
		w.send("", "GET", fmt.Sprintf("%s/c%d", configMapsPath, i), "")
	}
	w.checkHTTPS()
	if e := w.only("source=127.0.0.1&limit=1"); e.User.Username != adminUser || e.SourceIPs[0] != "127.0.0.1" || len(e.User.Groups) != 1 || e.User.Groups[0] != api.GroupMasters {
		t.Errorf("a request over HTTPS is recorded as %+v", e)
	}
	w.send("", "GET", configMapsPath+"/last", "") // and at once
	stop()
	w, stop = newWorld(t, cfg)
	if n := len(w.audited("resource=configmaps&limit=0&since=1h")); n != 21 {
		t.Errorf("after a restart %d of 21 requests are there", n)
	}
	w.verify()
	stop()

	// Any byte that changes on the disk is found.
	blocks, err := filepath.Glob(filepath.Join(dir, "log", "jetstream", "$G", "streams", "AUDIT", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("the audit's files: %v, %v", blocks, err)
	}
	data, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("/c7"))+2] = '8'
	if err := os.WriteFile(blocks[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	w, _ = newWorld(t, cfg)
	var problem string
	proof, err := w.cluster.audit.Verify(w.ctx, 0, func(uint64, uint64) {})
	if problem = proof.Problem; err != nil || problem == "" {
		t.Errorf("a changed byte is not found: %+v, %v", proof, err)
	}
	t.Log(problem)
}
