package archives

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"segno/bus"
	"segno/cli/archive"
	"segno/proto"
)

// Config says where the files are. Place is needed.
type Config struct {
	Place       string // a folder, or the URL of a bucket (bus.ParseBucket)
	Credentials string // file of those for the bucket
	Log         *slog.Logger
}

// Archives are the files of one place.
type Archives struct{ cfg Config }

// New looks at nothing but the configuration.
func New(cfg Config) (*Archives, error) {
	if cfg.Place == "" {
		return nil, errors.New("archives: a folder or a bucket must be named")
	}
	_, _, bucket, err := bus.ParseBucket(cfg.Place)
	if err != nil {
		return nil, fmt.Errorf("archives: %w", err)
	}
	if cfg.Credentials != "" && !bucket {
		return nil, fmt.Errorf("archives: credentials are for a bucket, and %s is a folder", cfg.Place)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Archives{cfg: cfg}, nil
}

// Place is where they are, for people.
func (a *Archives) Place() string { return a.cfg.Place }

// open is for one question: a bucket's connection is not kept.
func (a *Archives) open() (Store, error) {
	if _, _, bucket, _ := bus.ParseBucket(a.cfg.Place); bucket { // New has checked it
		return bus.OpenBucket(bus.BucketConfig{URL: a.cfg.Place, Credentials: a.cfg.Credentials})
	}
	return Folder{Dir: a.cfg.Place}, nil
}

// File is an archived epoch.
type File struct {
	archive.Header
	Name   string
	Bytes  int64  // in a list
	Before string // hash of the transaction before its first
	State  string // hash of all objects after its last, where it was read to its end
	// Err says why it is nobody's epoch; the rest may be empty then.
	Err error
}

// List answers the files, oldest first, those that cannot be read behind them.
func (a *Archives) List(ctx context.Context) ([]File, error) {
	store, err := a.open()
	if err != nil {
		return nil, fmt.Errorf("list the archives in %s: %w", a.cfg.Place, err)
	}
	defer store.Close()
	out, err := list(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("list the archives in %s: %w", a.cfg.Place, err)
	}
	return out, nil
}

func list(ctx context.Context, store Store) ([]File, error) {
	sizes, err := store.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	var out []File
	for name, size := range sizes {
		if !strings.HasSuffix(name, archive.Suffix) || !strings.HasPrefix(name, proto.StreamEvents+"-") {
			continue // somebody else's
		}
		file := File{Name: name, Bytes: size}
		if file.Err = file.look(ctx, store); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out = append(out, file)
	}
	slices.SortFunc(out, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.From, b.From), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// rank puts those behind that cannot be read.
func (f *File) rank() int {
	if f.Err != nil {
		return 1
	}
	return 0
}

var errNoEpoch = errors.New("it is no archived epoch")

// look reads what a file says of itself.
func (f *File) look(ctx context.Context, store Store) error {
	return f.with(ctx, store, func(in *archive.Reader) error {
		log, err := in.Next()
		if err != nil {
			return err
		}
		f.Header, f.Before = in.Header(), log.Hash
		if f.Redacted || log.Stream != proto.StreamEvents || log.Seq+1 != f.From || log.Last != f.To || f.From > f.To {
			return errNoEpoch
		}
		return nil
	})
}

// with reads a file, and tells what is wrong with it from what is wrong with
// reading.
func (f *File) with(ctx context.Context, store Store, do func(in *archive.Reader) error) error {
	opened, err := store.Open(ctx, f.Name)
	if err != nil {
		return err
	}
	defer opened.Close()
	from := &source{Reader: opened}
	in, err := archive.NewReader(from)
	if err == nil {
		defer in.Close()
		err = do(in)
	}
	if err != nil && from.failed != nil {
		return fmt.Errorf("read %s: %w", f.Name, from.failed)
	}
	return err
}

// prove reads a file to its end. What it says of its end is then true.
func (f *File) prove(ctx context.Context, store Store) error {
	opened, err := store.Open(ctx, f.Name)
	if err != nil {
		return err
	}
	defer opened.Close()
	from := &source{Reader: opened}
	held, err := archive.Check(ctx, from)
	switch {
	case err != nil && from.failed != nil:
		return fmt.Errorf("read %s: %w", f.Name, from.failed)
	case err != nil:
		return errors.Join(ctx.Err(), err)
	case len(held.Logs) != 1:
		return errNoEpoch
	}
	f.Hash, f.State = held.Logs[0].Sum.Hash, held.Logs[0].Sum.State
	return nil
}

// Read calls each with every transaction of EVENTS up to end, in order: those of
// the files whose hashes lead there. Where nothing tells the hash of end, there
// must be one history only. It is a bus.Archive. Nothing is called before the
// files were found and read to their ends.
func (a *Archives) Read(ctx context.Context, end proto.Position, each func(seq proto.Seq, encoded []byte) error) error {
	store, err := a.open()
	if err != nil {
		return fmt.Errorf("read the archives in %s: %w", a.cfg.Place, err)
	}
	defer store.Close()
	proof, err := a.chain(ctx, store, end, func(proto.Seq) {})
	if err != nil {
		return err
	}
	for _, other := range proof.Others {
		a.cfg.Log.Warn("a file beside the archived epochs is left alone", "place", a.cfg.Place, "file", other)
	}
	next := proto.Seq(1)
	for _, file := range proof.Files {
		err := file.with(ctx, store, func(in *archive.Reader) error {
			return entries(ctx, in, func(entry proto.Entry) error {
				if entry.Envelope.Seq != next {
					return fmt.Errorf("transaction %s lies where %s was expected: somebody changes the file", entry.Envelope.Seq, next)
				}
				next++
				return each(entry.Envelope.Seq, entry.Encoded)
			})
		})
		if err != nil {
			return fmt.Errorf("read the archive %s in %s: %w", file.Name, a.cfg.Place, err)
		}
	}
	return nil
}

// entries reads all transactions of a file.
func entries(ctx context.Context, in *archive.Reader, each func(proto.Entry) error) error {
	for {
		_, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, err := range in.Records() {
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
		}
		for entry, err := range in.Entries() {
			if err = errors.Join(err, ctx.Err()); err == nil {
				err = each(entry.Entry)
			}
			if err != nil {
				return err
			}
		}
	}
}
