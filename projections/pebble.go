package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"segno/proto"
)

// rowFormat is raised when rows change so that older ones cannot be read: the
// folder is then to be deleted and folded again.
const rowFormat = 1

// bottomBlock is the size of blocks in the two lowest levels, where nearly all rows
// lie: the larger a block, the better its rows pack, and the more of it is unpacked
// for one that is wanted. The fold of a million transactions of pods took 262, 227 and
// 203 to 225 MB with 8, 16 and 32 KiB; 64 give no more.
const bottomBlock = 32 << 10

// bloomBits a key let one seek in a hundred look into a table in vain.
const bloomBits = 10

func openPebble(cfg *Config) (*pebble.DB, error) {
	inMemory := cfg.FS == nil && cfg.Dir == ""
	if inMemory {
		cfg.FS = vfs.NewMem()
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	// Memtables are paid for out of the cache: without room for them, it would hold nothing.
	cache := pebble.NewCache(cfg.CacheBytes + 2*int64(cfg.MemTableSize))
	defer cache.Unref()
	words := logger{cfg}
	opts := &pebble.Options{
		Cache:                       cache,
		Comparer:                    comparer,
		DisableWAL:                  inMemory, // it would be lost with the rows
		EventListener:               &pebble.EventListener{DataCorruption: words.damaged, BackgroundError: words.failed},
		FS:                          cfg.FS,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		Logger:                      words,
		MaxOpenFiles:                512,
		MemTableSize:                uint64(cfg.MemTableSize),
		MemTableStopWritesThreshold: 3, // Pebble keeps one log more than that, to write over
		L0CompactionThreshold:       16,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               64 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, runtime.GOMAXPROCS(0)/2) },
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
		opts.Levels[i].IndexBlockSize = 256 << 10
		if i >= len(opts.Levels)-2 {
			opts.Levels[i].BlockSize = bottomBlock
		}
	}
	// Old versions are read as often as the newest: they stay beside it.
	opts.Experimental.SpanPolicyFunc = pebble.MakeStaticSpanPolicyFunc(comparer.Compare,
		pebble.KeyRange{Start: []byte{spaceVersion}, End: []byte{spaceVersion + 1}},
		pebble.SpanPolicy{DisableValueSeparationBySuffix: true})
	compression := pebble.DBCompressionGood
	if cfg.Brief {
		compression = pebble.DBCompressionFastest
		opts.L0CompactionThreshold = 64
		opts.L0StopWritesThreshold = 256
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return compression })
	return pebble.Open(cfg.Dir, opts)
}

// load reads the position, and stamps a new folder with the row format.
func (p *Projection) load() (*state, error) {
	format, err := p.read([]byte{spaceFormat})
	if err != nil {
		return nil, err
	}
	if format == nil {
		if err := p.db.Set([]byte{spaceFormat}, []byte{rowFormat}, p.write); err != nil {
			return nil, fmt.Errorf("write the row format: %w", err)
		}
		return &state{}, nil
	}
	if len(format) != 1 || format[0] != rowFormat {
		return nil, fmt.Errorf("its rows have format %v, this segno reads %d: delete the folder, it is rebuilt from the log", format, rowFormat)
	}
	value, err := p.read([]byte{spacePosition})
	if err != nil || value == nil {
		return &state{}, err
	}
	return readState(value)
}

// read is a copy of one row's value, nil when there is none.
func (p *Projection) read(key []byte) ([]byte, error) {
	value, closer, err := p.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read row %q: %w", key, err)
	}
	out := append(make([]byte, 0, len(value)), value...)
	return out, closer.Close()
}

// snapshot is what the log began with; nil when that was nothing.
func (p *Projection) snapshot() (*state, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	value, err := p.read([]byte{spaceStart})
	if err != nil || value == nil {
		return nil, err
	}
	return readState(value)
}

func (s *state) append(dst []byte) []byte {
	dst = appendSeq(dst, s.Seq)
	dst = append(dst, s.Hash[:]...)
	dst = appendSeq(dst, proto.Seq(s.Term))
	dst = appendSeq(dst, proto.Seq(unixNano(s.At)))
	dst = appendSeq(dst, s.First)
	hash := s.sum.hash()
	return append(dst, hash[:]...)
}

func readState(value []byte) (*state, error) {
	c := cursor{rest: value}
	var s state
	s.Seq = proto.Seq(c.uint64())
	copy(s.Hash[:], c.take(uint64(len(s.Hash))))
	s.Term = c.uint64()
	s.At = fromUnixNano(int64(c.uint64()))
	s.First = proto.Seq(c.uint64())
	var hash proto.Hash
	copy(hash[:], c.take(uint64(len(hash))))
	if c.bad || len(c.rest) > 0 {
		return nil, fmt.Errorf("read the position: %w", errRow)
	}
	s.sum = sumOf(hash)
	return &s, nil
}

// logger passes Pebble's words on: its chatter at debug level.
type logger struct{ cfg *Config }

// damaged tells of a damaged file. Who reads it gets an error; without this,
// Pebble would end the process.
func (l logger) damaged(info pebble.DataCorruptionInfo) {
	l.cfg.Log.Error("a file of the projection is damaged", "path", info.Path, "err", info.Details.Error(), "do", l.cfg.damage(info.Details).advice())
}

// failed tells what went wrong where nobody waits for it.
func (l logger) failed(err error) {
	l.cfg.Log.Error("the fold's files", "error", l.cfg.explain(err))
}

func (l logger) Infof(format string, args ...any) { l.say(slog.LevelDebug, format, args...) }

func (l logger) Errorf(format string, args ...any) { l.say(slog.LevelError, format, args...) }

// Fatalf must not return: Pebble can no longer write (a full or broken disk), and
// going on would acknowledge what is not durable.
func (logger) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) say(level slog.Level, format string, args ...any) {
	if ctx := context.Background(); l.cfg.Log.Enabled(ctx, level) {
		l.cfg.Log.Log(ctx, level, fmt.Sprintf(format, args...), "from", "pebble")
	}
}
