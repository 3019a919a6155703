package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// damage is a file of the folder that is not what was written to it. Nothing is
// deleted for it: a person may want to look at the disk first.
type damage struct {
	dir   string
	whole bool // the log has all that the fold had
	cause error
}

// Error says what to do.
func (d *damage) Error() string {
	return fmt.Sprintf("the fold in %s is damaged (%s): %s", d.dir, plain(d.cause), d.advice())
}

// advice is what a person has to do.
func (d *damage) advice() string {
	again := "it is folded again from the log"
	if !d.whole {
		again = "what the log still has is folded again"
	}
	return fmt.Sprintf("stop segno, delete the folder %s and start again: %s", d.dir, again)
}

// Unwrap is what Pebble said.
func (d *damage) Unwrap() error { return d.cause }

// plain is what Pebble says of a damage, without which row was being read and
// without the mark of what only carries details.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "<corruption detail carrier>", "")
	return strings.TrimSpace(text[max(strings.Index(text, "pebble: "), 0):])
}

// incomplete marks as a damage that a file is gone or cut, which Pebble tells of
// without a mark when it opens.
func incomplete(err error) error {
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "object size mismatch") {
		return fmt.Errorf("%w: %w", pebble.ErrCorruption, err)
	}
	return err
}

// damage is what the folder has, if that is the cause.
func (c *Config) damage(cause error) *damage {
	return &damage{dir: c.Dir, whole: c.Window == 0, cause: cause}
}

// explain makes of an error that tells of a damaged file one that says what to do.
func (c *Config) explain(err error) error {
	var known *damage
	if err == nil || errors.As(err, &known) || !pebble.IsCorruptionError(err) {
		return err
	}
	return c.damage(err)
}
