package projections

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"segno/events"
	"segno/proto"
)

// Errors that callers tell apart.
var (
	ErrClosed = errors.New("the projection is closed")
	ErrFuture = errors.New("the sequence lies in the future")
	ErrTooOld = errors.New("the sequence lies before the start of the log")
	ErrGap    = errors.New("the entries do not continue the log")

	errRedacted = errors.New("something was taken out of it, and this log is kept whole")
)

// Config says where a projection lives and how much it may use.
type Config struct {
	Dir   string        // folder of the rows; "" keeps them in memory
	FS    vfs.FS        // nil is the disk, or memory without a Dir
	Table *events.Table // kinds of the log's objects; required
	Sync  bool          // Commit returns only once its batch is on disk
	Log   *slog.Logger  // of damaged files, and of Pebble; default: discarded

	// Retained marks a log whose beginning is dropped in time (NOTES, LEASES): it
	// may start behind 1, and DropBefore is allowed.
	Retained bool
	// Window keeps the history of about this many newest transactions, and all
	// current objects; 0 keeps everything. It needs Retained.
	Window int
	// Redacted takes transactions out of which something was taken (an incident
	// file). Anywhere else such a one is a forgery.
	Redacted bool

	// Folded is told the state hash after every transaction as it is folded, in
	// order: for a comparison with what was recorded. Default: nobody is told.
	Folded func(seq proto.Seq, state proto.Hash)

	// The sizes are bounds, filled as the cluster grows; a log of notes or leases
	// does with a quarter of the defaults.
	CacheBytes   int64 // blocks of rows; default 32 MiB
	RecordBytes  int   // newest records, for the fold; default 64 MiB
	FeedBytes    int   // changes kept for live watchers; default 8 MiB
	ObjectBytes  int   // decoded objects; default 48 MiB
	MemTableSize int   // default 16 MiB

	// Brief is for a fold that is thrown away soon: quick to write rather than small.
	Brief bool
	// scratch leaves the envelopes out of the event rows.
	scratch bool
}

func (c *Config) check() error {
	if c.Table == nil {
		return errors.New("a table of kinds is needed")
	}
	if c.Window > 0 && !c.Retained {
		return errors.New("a window drops history: it needs Retained")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.CacheBytes = orDefault(c.CacheBytes, 32<<20)
	c.RecordBytes = orDefault(c.RecordBytes, 64<<20)
	c.FeedBytes = orDefault(c.FeedBytes, 8<<20)
	c.ObjectBytes = orDefault(c.ObjectBytes, 48<<20)
	c.MemTableSize = orDefault(c.MemTableSize, 16<<20)
	return nil
}

func orDefault[T int | int64](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// Projection is one log folded into Pebble. All methods may be called at the
// same time; Commit and DropBefore take turns.
type Projection struct {
	cfg   Config
	table *events.Table
	db    *pebble.DB
	write *pebble.WriteOptions

	life   sync.RWMutex // held for reading by whoever uses db; Close takes it
	closed bool

	verifying sync.Mutex // one scratch folder at a time
	folding   sync.Mutex // held across a commit: rows, position and feed move together
	group     *group     // reused by every commit; folding's
	broken    error      // a write that failed; folding's
	state     atomic.Pointer[state]

	records *generations[proto.ObjectKey, *row]         // newest rows
	objects *generations[versionID, events.Object]      // decoded
	decoded *generations[*events.Record, events.Object] // decoded for followers
	present *presence                                   // which objects live
	recent  *recent                                     // what the newest transactions touched
	feed    *feed
}

// state is what a commit publishes, once durable.
type state struct {
	proto.Position
	First proto.Seq // first transaction that is kept; 0 while the log is empty
	sum   sum
}

// start is the sequence before the first one: the oldest moment that can be read.
func (s *state) start() proto.Seq { return max(s.First, 1) - 1 }

// Open opens the projection in cfg.Dir, or makes an empty one.
func Open(cfg Config) (*Projection, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open projection %s: %w", cfg.Dir, err)
	}
	db, err := openPebble(&cfg)
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", cfg.Dir, cfg.explain(incomplete(err)))
	}
	p := &Projection{
		cfg: cfg, table: cfg.Table, db: db, write: pebble.NoSync,
		records: newGenerations[proto.ObjectKey](cfg.RecordBytes, (*row).cost),
		objects: newGenerations[versionID](cfg.ObjectBytes, sizeOf),
		decoded: newGenerations[*events.Record](cfg.ObjectBytes/4, sizeOf),
	}
	if cfg.Sync {
		p.write = pebble.Sync
	}
	st, err := p.load()
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", cfg.Dir, errors.Join(cfg.explain(err), db.Close()))
	}
	if p.present, err = loadPresence(db); err != nil {
		return nil, fmt.Errorf("open projection %s: %w", cfg.Dir, errors.Join(cfg.explain(err), db.Close()))
	}
	p.state.Store(st)
	p.recent = newRecent(st.Seq)
	p.feed = newFeed(cfg.FeedBytes, st.Seq)
	return p, nil
}

// Close ends every subscription and closes Pebble.
func (p *Projection) Close() error {
	p.life.Lock()
	defer p.life.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.feed.close()
	if err := p.db.Close(); err != nil {
		return fmt.Errorf("close projection %s: %w", p.cfg.Dir, err)
	}
	return nil
}

// enter keeps Pebble open until leave.
func (p *Projection) enter() error {
	p.life.RLock()
	if p.closed {
		p.life.RUnlock()
		return ErrClosed
	}
	return nil
}

func (p *Projection) leave() { p.life.RUnlock() }

// Position is the newest folded transaction; it is durable.
func (p *Projection) Position() proto.Position { return p.state.Load().Position }

// First is the oldest transaction that is kept, 0 while there is none.
func (p *Projection) First() proto.Seq { return p.state.Load().First }

// StateHash is the hash of all current objects, independent of their order: two
// folds of the same log have the same one.
func (p *Projection) StateHash() proto.Hash { return p.state.Load().sum.hash() }
