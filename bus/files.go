package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"segno/proto"
)

// FilesConfig says which log's files are to be proved. Nothing of it is
// changed, but for the anchor when something is wrong.
type FilesConfig struct {
	StoreDir string // of the server, which may run on it
	Stream   string
	Fold     Fold   // what was acknowledged; an empty one leaves the chain of the log
	Anchor   string // file; "" for none
	Progress func(done, total int)
	// Each is called with every transaction that the fold does not have, in order,
	// once it is proved that it follows the one before; nil for nobody.
	Each func(entry proto.Entry) error

	from    proto.Seq // first transaction of the log; 0 is what the anchor says
	running bool      // the server writes: a record at the end may be on its way
}

// FilesReport is what VerifyFiles found.
type FilesReport struct {
	Records int        // transactions on disk that are what they must be
	Damage  *FileError // the first place that is not; nil when all is well
	// Restored names the backup whose log is not written yet; "" when it is, or was
	// never restored.
	Restored string
}

// FileError is a place of a log's files that is not what it must be.
type FileError struct {
	Seq    proto.Seq
	At     time.Time // of the transaction; zero when nothing tells
	Object string    // that it is about, if known
	File   string
	Offset int64
	What   string
	Mends  bool // the fold has what belongs there
}

// Error is what a person needs to know.
func (e *FileError) Error() string {
	about := ""
	if !e.At.IsZero() {
		about = fmt.Sprintf(" (%s, %s)", e.At.Format(time.RFC3339Nano), e.Object)
	}
	do := advice
	if e.Mends {
		do = "Start the cluster again: the log is then written again from the fold, and the damaged one is kept aside"
	}
	return fmt.Sprintf("transaction %s%s in %s at byte %d: %s. %s", e.Seq, about, e.File, e.Offset, e.What, do)
}

// fileTries is how often the files of a log are read whose beginning runs out
// meanwhile, under the hands of the reader.
const fileTries = 3

// VerifyFiles reads a log's files as they are on disk, and proves that every
// byte of every record is what it must be: it makes the records again from the
// fold. Behind the fold's end, where transactions may be on their way, the
// records must continue the chain; nothing lies behind the last whole one.
func VerifyFiles(ctx context.Context, cfg FilesConfig) (FilesReport, error) {
	anchored, err := readAnchor(cfg.Anchor)
	if err != nil {
		return FilesReport{}, err
	}
	for try := 1; ; try++ {
		c := newFileCheck(cfg, anchored)
		err := c.run(ctx)
		var wrong *FileError
		if !errors.As(err, &wrong) {
			return FilesReport{Records: c.records, Restored: c.unwritten()}, err
		}
		if c.retained && try < fileTries {
			continue
		}
		return FilesReport{Records: c.records, Damage: wrong}, anchored.suspect(cfg.Anchor)
	}
}

// suspect has the next start compare all of the log.
func (a anchor) suspect(file string) error {
	if a.Seq == 0 || a.Suspect {
		return nil // there is none, or it says so already
	}
	a.Suspect = true
	return a.write(file)
}

// VerifyFiles is VerifyFiles of the log that is open. A log in memory has no
// files, and nothing to say.
func (s *Sequencer) VerifyFiles(ctx context.Context, progress func(done, total int)) (FilesReport, error) {
	if s.cfg.Server.memory {
		return FilesReport{}, nil
	}
	free, _ := s.epochs.hold(0) // none is dropped meanwhile
	report, err := VerifyFiles(ctx, FilesConfig{
		StoreDir: s.cfg.Server.asideDir(), Stream: s.cfg.Stream, Fold: s.cfg.Fold, Progress: progress, from: max(1, s.epochs.from()), running: true,
	})
	free()
	if err != nil || report.Damage == nil {
		return report, err
	}
	s.suspect.Store(true)
	return report, s.dropAnchor()
}

// epochsIn are the epochs of a log that have a folder, in order.
func epochsIn(storeDir, log string) ([]uint32, error) {
	entries, err := os.ReadDir(filepath.Dir(streamFiles(storeDir, log)))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the log's files: %w", err)
	}
	var out []uint32
	for _, e := range entries {
		if epoch, is := proto.ParseEpoch(log, e.Name()); is && e.IsDir() {
			out = append(out, epoch)
		}
	}
	slices.Sort(out)
	return out, nil
}

// streamFiles is where a server with that store keeps a stream.
func streamFiles(storeDir, stream string) string {
	return filepath.Join(storeDir, "jetstream", natsd.DEFAULT_GLOBAL_ACCOUNT, "streams", stream)
}

// block is one file of records.
type block struct {
	number int
	path   string
}

// blocksOf are the files of a stream in order; none when it has no folder.
func blocksOf(dir string) ([]block, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "msgs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log's files: %w", err)
	}
	var out []block
	for _, e := range entries {
		digits, is := strings.CutSuffix(e.Name(), ".blk")
		number, err := strconv.Atoi(digits)
		if is && err == nil && digits == strconv.Itoa(number) {
			out = append(out, block{number: number, path: filepath.Join(dir, "msgs", e.Name())})
		}
	}
	slices.SortFunc(out, func(a, b block) int { return a.number - b.number })
	return out, nil
}
