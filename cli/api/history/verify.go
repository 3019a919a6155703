package history

import (
	"fmt"

	"segno/proto"
)

// Verification is a line of the answer of verify: progress while Result is
// nil.
type Verification struct {
	Stream string  `json:"stream"`
	Done   int     `json:"done"`
	Total  int     `json:"total"`
	Result *Result `json:"result,omitempty"`
	Error  string  `json:"error,omitempty"` // verifying itself failed
}

// Result is what verifying one log found.
type Result struct {
	Seq       proto.Seq `json:"seq"`
	Hash      string    `json:"hash"`                // of the chain
	StateHash string    `json:"stateHash,omitempty"` // of all current objects
	Events    int       `json:"events"`              // transactions whose chain was checked
	Redacted  int       `json:"redacted,omitempty"`  // of them: something was taken out, which nobody can prove
	Rows      int       `json:"rows,omitempty"`      // rows compared with a fold from nothing
	Records   int       `json:"records"`             // of the log's files, compared byte for byte; 0 for a log in memory
	At        proto.Seq `json:"at,omitempty"`        // a moment that was asked about; of AUDIT a message, if it is kept
	AtChain   string    `json:"atChain,omitempty"`   // of the chain at that moment
	AtHash    string    `json:"atHash,omitempty"`    // of all objects as they were then
	Requests  int       `json:"requests,omitempty"`  // of AUDIT: events in what was checked
	Restored  string    `json:"restored,omitempty"`  // backup that the log was restored from, when it has not been started since
	Archived  *Archived `json:"archived,omitempty"`  // of EVENTS, when epochs were archived
	Services  []string  `json:"services,omitempty"`  // of EVENTS: what Services hold and should not, or lack
	Problem   string    `json:"problem,omitempty"`
}

// Archived is what was found of the files of archived epochs.
type Archived struct {
	Files int       `json:"files"` // read to their ends, linked with each other and with the log
	Last  proto.Seq `json:"last"`  // the newest transaction in them
	// Others are files beside them that nothing was read from: each with why.
	Others []string `json:"others,omitempty"`
}

// VerifyAudit has the audit proved, and reports how far that is and what was found.
func VerifyAudit(report func(Verification), prove func(progress func(done, total uint64)) (proto.AuditProof, error)) error {
	is := Verification{Stream: proto.StreamAudit}
	proof, err := prove(func(done, total uint64) {
		is.Done, is.Total = int(done), int(total)
		report(is)
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", proto.StreamAudit, err)
	}
	is.Result = ofAudit(proof)
	report(is)
	return nil
}

func ofAudit(proof proto.AuditProof) *Result {
	out := &Result{
		Seq: proof.Seq, Hash: proof.Hash.String(), Events: int(proof.Messages), Requests: int(proof.Events), Records: int(proof.Records), Problem: proof.Problem,
	}
	if proof.At > 0 {
		out.At, out.AtChain = proof.At, proof.AtHash.String()
	}
	return out
}
