//go:build host

package e2e

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	courseFile = "testdata/nginx-deployment.yaml"
	course     = "deployment/nginx-deployment"
)

// TestW2TheCoursesDeployment plays the course's story with three clients.
func TestW2TheCoursesDeployment(t *testing.T) {
	c := up(t, "--runtime", "docker", "--docker-host", defaultEngine)
	for _, client := range []string{"segno", "kubectl-1.20", "kubectl-1.37"} {
		c.with(client, func(c *cluster) {
			s := &story{cluster: c, client: client, space: strings.NewReplacer(".", "-").Replace(client)}
			s.do("create", "namespace", s.space)
			s.created()
			s.looked()
			s.scaled()
			s.rolled()
			s.undone()
			s.paused()
		})
	}
	if out := c.segno("verify"); strings.Contains(out, "WRONG") {
		t.Errorf("verify:\n%s", out)
	}
}

// story is the course's deployment in a namespace of one client.
type story struct {
	*cluster
	client, space string
	first         int    // sequence at which three pods of nginx:1.7.9 ran
	before        int    // sequence before the new image
	pod           string // of the first apply
}

func (s *story) do(args ...string) string {
	s.Helper()
	if args[0] != "create" {
		args = append([]string{"-n", s.space}, args...)
	}
	return s.run(s.client, args...)
}

// pods answers a line a pod, in the cluster's past if there is a moment.
func (s *story) pods(format string, moment ...string) []string {
	s.Helper()
	args := []string{"get", "pods", "-n", s.space, "-l", "app=nginx", "-o", "jsonpath={range .items[*]}" + format + "{' '}{end}"}
	if len(moment) > 0 {
		args = append(args, "--at", moment[0])
	}
	lines := strings.Fields(s.segno(args...))
	slices.Sort(lines)
	return lines
}

// serve waits until so many pods, all of the image, answer on their addresses.
func (s *story) serve(count int, image string) {
	s.Helper()
	var pages []string
	s.await(fmt.Sprintf("%d pods of %s answer", count, image), func() bool {
		if slices.ContainsFunc(s.pods("{.metadata.deletionTimestamp}|"), func(line string) bool { return line != "|" }) {
			return false
		}
		addresses := s.pods("{.status.podIP}")
		pages = nil
		for _, address := range addresses {
			pages = append(pages, page(s.Context(), address))
		}
		return len(addresses) == count && !slices.ContainsFunc(pages, func(p string) bool {
			return !strings.Contains(p, "Welcome to nginx!") || !strings.Contains(p, "<p>"+image+"</p>")
		})
	})
	for _, phase := range s.pods("{.status.phase}") {
		if phase != "Running" {
			s.Errorf("a pod that answers is %s", phase)
		}
	}
}

func (s *story) done() {
	s.Helper()
	s.says(s.do("rollout", "status", course, "--timeout=60s"), "successfully rolled out")
}

func (s *story) created() {
	s.Helper()
	s.says(s.do("apply", "-f", courseFile), "deployment.apps/nginx-deployment created")
	s.done()
	s.serve(3, "nginx:1.7.9")
	s.first = s.seq()
	s.pod = s.pods("{.metadata.name}")[0]
	s.says(s.do("get", course), "3/3")
	s.says(s.do("apply", "-f", courseFile), "unchanged")

	why := s.segno("why", "pod/"+s.pod, "-n", s.space)
	s.says(strings.SplitN(why, "\n", 2)[0], "user:admin", "DeploymentCreated", s.typed("apply"))
	s.says(why, "ReplicaSetCreated", "PodCreated", "PodBound", "PodReady", s.pod)
}

// looked reads logs and runs commands in a container.
func (s *story) looked() {
	s.Helper()
	s.says(s.do("logs", s.pod), "start worker process")
	if got := s.do("exec", s.pod, "--", "hostname"); got != s.pod {
		s.Errorf("hostname says %q, want %q", got, s.pod)
	}
	out, status := s.try(s.client, "-n", s.space, "exec", s.pod, "--", "sh", "-c", "echo to-stderr >&2; exit 7")
	s.says(out, "to-stderr")
	if status != 7 {
		s.Errorf("exec of exit 7 has status %d", status)
	}
	if got, _ := s.feed(s.client, []byte("over and back"), "-n", s.space, "exec", "-i", s.pod, "--", "cat"); got != "over and back" {
		s.Errorf("cat answers %q", got)
	}
	s.followed()
}

// followed has a line come out of `logs -f` that was written after it began.
func (s *story) followed() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	cmd := s.command(ctx, s.client, "-n", s.space, "logs", "-f", "--tail=0", s.pod)
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	address := s.segno("get", "pod", s.pod, "-n", s.space, "-o", "jsonpath={.status.podIP}")
	asking, stop := context.WithCancel(ctx)
	go func() { // nobody knows when the follower has begun: each page is a line
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for asking.Err() == nil {
			page(asking, address)
			<-tick.C
		}
	}()
	line := make([]byte, 4096)
	n, err := out.Read(line)
	stop()
	cancel()
	_ = cmd.Wait() // it was killed
	if err != nil || !strings.Contains(string(line[:n]), `"GET / HTTP/1.1" 200`) {
		s.Errorf("logs -f says %q: %v", line[:n], err)
	}
}

func (s *story) scaled() {
	s.Helper()
	s.do("scale", course, "--replicas=4")
	s.done()
	s.serve(4, "nginx:1.7.9")
	if got := s.pods("{.metadata.name}", fmt.Sprint(s.first)); len(got) != 3 || !slices.Contains(got, s.pod) {
		s.Errorf("pods at %d: %v, want the three of then", s.first, got)
	}
	s.before = s.seq()
}

// rolled sets a new image, and looks at every moment of the roll.
func (s *story) rolled() {
	s.Helper()
	old := s.pods("{.metadata.name}")
	s.do("set", "image", course, "nginx=nginx:1.9.1")
	s.done()
	s.serve(4, "nginx:1.9.1")
	after := s.seq()

	history := s.segno("history", course, "--full", "-n", s.space)
	s.says(history, "user:admin", "DeploymentCreated", "DeploymentScaled", "ImageChanged", "system:deployment",
		s.typed("apply"), s.typed("scale"), s.typed("set image"), `nginx:1.7.9" → "nginx:1.9.1"`)
	if got := s.pods("{.metadata.name}", fmt.Sprint(s.before)); !slices.Equal(got, old) {
		s.Errorf("pods before the roll: %v, want %v", got, old)
	}
	now := s.pods("{.metadata.name}")
	if got := s.pods("{.metadata.name}", fmt.Sprint(after)); !slices.Equal(got, now) {
		s.Errorf("pods after the roll: %v, want %v", got, now)
	}
	if s.client == "segno" { // once is enough
		s.everyMoment(history)
	}
}

// typed is what the log keeps of a command line: all of segno's, the verb of
// a newer kubectl's, and of an older one only its name.
func (s *story) typed(verb string) string {
	switch s.client {
	case "segno":
		return "segno -n " + s.space + " " + verb
	case "kubectl-1.20":
		return "kubectl-1.20/v1.20"
	default:
		return "kubectl " + verb
	}
}

// everyMoment of the roll had enough pods, and asked for not too many. What is
// asked for is bounded, as in Kubernetes: an old pod may still be there for a
// moment when the one in its place is already made.
func (s *story) everyMoment(history string) {
	s.Helper()
	mixed := 0
	for _, seq := range s.sequences(history) {
		images := s.pods("{.spec.containers[0].image}", seq)
		available := s.sum(course, "{.status.availableReplicas}", seq)
		asked := s.sum("replicasets", "{range .items[*]}{.spec.replicas} {end}", seq)
		if available < 3 || asked > 5 {
			s.Errorf("at %s there were %d available and %d asked for: with 25%% of 4, want at least 3 and at most 5", seq, available, asked)
		}
		if slices.Contains(images, "nginx:1.7.9") && slices.Contains(images, "nginx:1.9.1") {
			mixed++
		}
	}
	if mixed < 2 {
		s.Errorf("only %d moments had pods of both images: that was no rolling update\n%s", mixed, history)
	}
}

// sequences of a history after the moment before the roll.
func (s *story) sequences(history string) (out []string) {
	for _, match := range regexp.MustCompile(`(?m)^(\d+) +\d{4}-`).FindAllStringSubmatch(history, -1) {
		var seq int
		if _, err := fmt.Sscan(match[1], &seq); err == nil && seq > s.before {
			out = append(out, match[1])
		}
	}
	return out
}

func (s *story) undone() {
	s.Helper()
	history := s.do("rollout", "history", course)
	if !regexp.MustCompile(`(?m)^1 `).MatchString(history) || !regexp.MustCompile(`(?m)^2 `).MatchString(history) {
		s.Errorf("rollout history has not revisions 1 and 2:\n%s", history)
	}
	s.says(s.do("rollout", "history", course, "--revision=2"), "nginx:1.9.1")
	s.do("rollout", "undo", course)
	s.done()
	s.serve(4, "nginx:1.7.9")
	s.do("rollout", "undo", course, "--to-revision=2")
	s.done()
	s.serve(4, "nginx:1.9.1")
}

func (s *story) paused() {
	s.Helper()
	s.do("rollout", "pause", course)
	s.do("set", "image", course, "nginx=nginx:1.8")
	s.await("the pause is seen", func() bool {
		seen := s.segno("get", course, "-n", s.space, "-o", "jsonpath={.metadata.generation} {.status.observedGeneration}")
		return len(strings.Fields(seen)) == 2 && strings.Fields(seen)[0] == strings.Fields(seen)[1]
	})
	s.serve(4, "nginx:1.9.1")
	s.do("rollout", "resume", course)
	s.done()
	s.serve(4, "nginx:1.8")
}

// sum adds the numbers that a path has in an object, or a list, at a moment.
func (s *story) sum(what, path, seq string) (total int) {
	s.Helper()
	for _, number := range strings.Fields(s.segno("get", what, "-n", s.space, "--at", seq, "-o", "jsonpath="+path)) {
		n, err := strconv.Atoi(number)
		if err != nil {
			s.Fatalf("%s of %s at %s: %v", path, what, seq, err)
		}
		total += n
	}
	return total
}
