package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"segno/proto"
)

// Checkpoint states what a log was at a sequence. The hash is that of the
// transaction of this sequence, which holds the hash of the one before, and so
// all of them: whoever changes one changes it.
type Checkpoint struct {
	Origin string     `json:"origin"` // names the log, and the key
	Seq    proto.Seq  `json:"sequence"`
	Hash   proto.Hash `json:"-"`
	State  proto.Hash `json:"-"`    // of all objects after it
	Time   time.Time  `json:"time"` // when it was made
	Stream string     `json:"stream"`
	// Audit is the newest message of the record of requests by then, and AuditHash its
	// hash, which covers all before it; 0 is none.
	Audit     proto.Seq  `json:"audit,omitempty"`
	AuditHash proto.Hash `json:"-"`
}

// ErrMalformed is wrapped by what is said of a text that is no checkpoint.
var ErrMalformed = errors.New("no checkpoint")

// The lines of our own, behind the three that every checkpoint has.
const (
	lineTime   = "time "
	lineState  = "state "
	lineStream = "stream "
	ownLines   = 3
	lineAudit  = "audit " // number and hash; not in every checkpoint
)

// text is what is signed.
func (c Checkpoint) text() string {
	text := fmt.Sprintf("%s\n%d\n%s\n%s%s\n%s%s\n%s%s\n", c.Origin, c.Seq, encode(c.Hash),
		lineTime, c.Time.UTC().Format(time.RFC3339Nano), lineState, encode(c.State), lineStream, c.Stream)
	if c.Audit > 0 {
		text += fmt.Sprintf("%s%d %s\n", lineAudit, c.Audit, encode(c.AuditHash))
	}
	return text
}

func encode(h proto.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

func decode(text string) (h proto.Hash, err error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != len(h) {
		return h, fmt.Errorf("%w: %q is no SHA-256 in base64", ErrMalformed, text)
	}
	copy(h[:], data)
	return h, nil
}

// parse reads the text of a checkpoint. Lines that are not known are left to
// those who know them.
func parse(text string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3+ownLines {
		return Checkpoint{}, fmt.Errorf("%w: it has %d lines, at least %d are needed", ErrMalformed, len(lines), 3+ownLines)
	}
	c := Checkpoint{Origin: lines[0]}
	n, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != lines[1] || c.Origin == "" {
		return c, fmt.Errorf("%w: its second line, %q, is no number of transactions", ErrMalformed, lines[1])
	}
	c.Seq = proto.Seq(n)
	if c.Hash, err = decode(lines[2]); err != nil {
		return c, err
	}
	found := 0
	for _, line := range lines[3:] {
		known := true
		switch {
		case strings.HasPrefix(line, lineTime):
			c.Time, err = time.Parse(time.RFC3339Nano, line[len(lineTime):])
		case strings.HasPrefix(line, lineState):
			c.State, err = decode(line[len(lineState):])
		case strings.HasPrefix(line, lineStream):
			c.Stream = line[len(lineStream):]
		case strings.HasPrefix(line, lineAudit):
			known = false // not one of those that are needed
			err = c.parseAudit(line[len(lineAudit):])
		default:
			known = false
		}
		if err != nil {
			return c, fmt.Errorf("%w: %q: %w", ErrMalformed, line, err)
		}
		if known {
			found++
		}
	}
	if found != ownLines {
		return c, fmt.Errorf("%w: it needs one line each of time, state and stream", ErrMalformed)
	}
	return c, nil
}

// parseAudit reads what a checkpoint states of the record of requests.
func (c *Checkpoint) parseAudit(text string) error {
	number, hash, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != number || c.Audit > 0 {
		return fmt.Errorf("%q is no number of messages, or a second one", number)
	}
	c.Audit = proto.Seq(n)
	c.AuditHash, err = decode(hash)
	return err
}

// Sign answers the signed note of a checkpoint.
func (k Key) Sign(c Checkpoint) ([]byte, error) {
	signer, err := note.NewSigner(k.private)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	c.Origin = signer.Name()
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return signed, nil
}

// Open proves a note with a public key and answers what it states.
func Open(signed []byte, public string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the public key %.80q: %w; it looks like NAME+0123abcd+BASE64, see: segno checkpoint key", public, err)
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	var unverified *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unverified):
		return Checkpoint{}, fmt.Errorf("the checkpoint is not signed with the key %s", verifier.Name())
	case err != nil:
		return Checkpoint{}, fmt.Errorf("the checkpoint, or its signature, was changed: %w", err)
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint, or its signature, was changed: %w", err)
	}
	c, err := parse(opened.Text)
	if err == nil && c.Origin != verifier.Name() {
		err = fmt.Errorf("%w: it is of %q, the key is of %q", ErrMalformed, c.Origin, verifier.Name())
	}
	return c, err
}
