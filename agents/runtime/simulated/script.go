package simulated

import (
	"strconv"
	"strings"
	"time"

	"segno/agents/runtime"
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

// termCode is the exit code of a process that a stop signal ended.
const termCode = 143

// Script is how one container behaves.
type Script struct {
	Exits      bool // by itself, RunFor after its start
	RunFor     time.Duration
	ExitCode   int
	OOM        bool // for lack of memory
	TermCode   int  // the exit code after a stop signal
	IgnoreTerm bool
	Log        string
}

// scriptOf reads the annotations. What cannot be read counts as not written.
func scriptOf(annotations map[string]string, container string) Script {
	get := func(key string) (string, bool) {
		if v, ok := annotations[container+"."+key]; ok {
			return v, true
		}
		v, ok := annotations[key]
		return v, ok
	}
	s := Script{TermCode: termCode}
	if len(annotations) == 0 {
		return s
	}
	if v, ok := get(RunFor); ok {
		if d, err := time.ParseDuration(v); err == nil {
			s.Exits, s.RunFor = true, d
		}
	}
	if v, ok := get(ExitCode); ok {
		if n, err := strconv.Atoi(v); err == nil {
			s.Exits, s.ExitCode = true, n
		}
	}
	if v, _ := get(OOM); v == "true" {
		s.Exits, s.OOM, s.ExitCode = true, true, 137
	}
	if v, ok := get(TermCode); ok {
		if n, err := strconv.Atoi(v); err == nil {
			s.TermCode = n
		} else {
			s.IgnoreTerm = v == "ignore"
		}
	}
	s.Log, _ = get(Log)
	if s.Log != "" && !strings.HasSuffix(s.Log, "\n") {
		s.Log += "\n"
	}
	return s
}

// scriptFor is what the pod's annotations say, else what the configuration does.
func (e *Engine) scriptFor(spec runtime.ContainerSpec) Script {
	s := scriptOf(spec.Annotations, spec.Container)
	if s.Exits || e.cfg.Script == nil {
		return s
	}
	if other, ok := e.cfg.Script(spec); ok {
		s.Exits, s.RunFor, s.ExitCode, s.OOM = other.Exits, other.RunFor, other.ExitCode, other.OOM
	}
	return s
}
