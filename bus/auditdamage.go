package bus

import (
	"context"
	"sync"
	"time"

	"segno/proto"
)

// auditFaults is what was found to be wrong with the audit since the start.
type auditFaults struct {
	mu    sync.Mutex
	first *auditFault
	at    map[proto.Seq]time.Time // when a message was found that cannot be read
}

// auditFault is a damage, and when it was found.
type auditFault struct {
	what  string
	found time.Time
}

// mostFaults bounds of how many messages it is remembered when they were found;
// others count as found with the first.
const mostFaults = 4096

// auditAdvice is what a person can do about a damage.
const auditAdvice = "look at the disk, and at who could change its files; what can be read is answered as before, and the cluster goes on; only a backup has a second copy, to compare with: segno restore-cluster"

// notice remembers the first damage, and tells of it once.
func (a *Audit) notice(what string) {
	a.faults.mu.Lock()
	known := a.faults.first != nil
	if !known {
		a.faults.first = &auditFault{what: what, found: time.Now()}
	}
	a.faults.mu.Unlock()
	if !known {
		a.log.Warn("the audit is not what it was: "+what, "files", a.files(), "do", auditAdvice)
	}
}

// files is where they lie; "" in memory.
func (a *Audit) files() string {
	if a.cfg.Server.memory {
		return ""
	}
	return a.cfg.Server.streamDir(proto.StreamAudit)
}

// foundAt is when it was found that a message cannot be read.
func (a *Audit) foundAt(seq proto.Seq, what string) time.Time {
	a.notice(what)
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	found, known := a.faults.at[seq]
	switch {
	case known:
		return found
	case len(a.faults.at) >= mostFaults:
		return a.faults.first.found
	case a.faults.at == nil:
		a.faults.at = map[proto.Seq]time.Time{}
	}
	now := time.Now()
	a.faults.at[seq] = now
	return now
}

// fault is the first damage, nil when none was found.
func (a *Audit) fault() *auditFault {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	return a.faults.first
}

// check proves the files once, beside what else happens at the start.
func (a *Audit) check(ctx context.Context, end auditPosition) {
	defer close(a.proved)
	if a.cfg.Server.memory || a.fault() != nil {
		return
	}
	proof, err := VerifyAuditFiles(ctx, AuditFilesConfig{StoreDir: a.cfg.Server.asideDir(), Anchor: a.cfg.Anchor, end: end, running: true})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Warn("the audit could not be proved at the start; segno verify tries again", "error", err)
	case proof.Problem != "":
		a.notice(proof.Problem)
	}
}
