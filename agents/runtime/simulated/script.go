package simulated

import (
	"strconv"
	"strings"
	"time"
)

// Annotations of a pod that script its containers. Each may be limited to one
// container by writing its name before: "web.segno.simulated/exit-code".
const (
	// RunFor is how long the container runs before it exits by itself ("90s").
	RunFor = "segno.simulated/run-for"
	// ExitCode is what it exits with; without RunFor it exits at once.
	ExitCode = "segno.simulated/exit-code"
	// OOM, when "true", makes the exit one by lack of memory.
	OOM = "segno.simulated/oom"
	// TermCode is the exit code after a stop signal; "ignore" ignores the signal.
	TermCode = "segno.simulated/term-code"
	// Log is text that the container writes when it starts.
	Log = "segno.simulated/log"
)

// script is how one container behaves.
type script struct {
	exits      bool
	runFor     time.Duration
	exitCode   int
	oom        bool
	termCode   int
	ignoreTerm bool
	log        string
}

// scriptOf reads the annotations. What cannot be read counts as not written.
func scriptOf(annotations map[string]string, container string) script {
	get := func(key string) (string, bool) {
		if v, ok := annotations[container+"."+key]; ok {
			return v, true
		}
		v, ok := annotations[key]
		return v, ok
	}
	s := script{termCode: 143}
	if len(annotations) == 0 {
		return s
	}
	if v, ok := get(RunFor); ok {
		if d, err := time.ParseDuration(v); err == nil {
			s.exits, s.runFor = true, d
		}
	}
	if v, ok := get(ExitCode); ok {
		if n, err := strconv.Atoi(v); err == nil {
			s.exits, s.exitCode = true, n
		}
	}
	if v, _ := get(OOM); v == "true" {
		s.exits, s.oom, s.exitCode = true, true, 137
	}
	if v, ok := get(TermCode); ok {
		if n, err := strconv.Atoi(v); err == nil {
			s.termCode = n
		} else {
			s.ignoreTerm = v == "ignore"
		}
	}
	s.log, _ = get(Log)
	if s.log != "" && !strings.HasSuffix(s.log, "\n") {
		s.log += "\n"
	}
	return s
}
