package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// BucketConfig names an object store of some NATS server, not of our own.
type BucketConfig struct {
	URL         string // nats://HOST:PORT/BUCKET, or tls://
	Credentials string // file of them; "" where none are asked for
}

// ParseBucket tells whether a text names a bucket, and refuses what names
// something else that is no path either.
func ParseBucket(text string) (server, bucket string, is bool, err error) {
	scheme, _, has := strings.Cut(text, "://")
	if !has {
		return "", "", false, nil
	}
	u, err := url.Parse(text)
	if err != nil { // which shows the text, and there may be a password in it
		return "", "", true, fmt.Errorf("%s://…: it is no URL; must be a folder, or nats://HOST:PORT/BUCKET", scheme)
	}
	bucket = strings.TrimPrefix(u.Path, "/")
	switch {
	case u.User != nil:
		return "", "", true, fmt.Errorf("%s://%s%s: leave user and password out: they would be remembered and shown. Name a file of credentials instead", scheme, u.Host, u.Path)
	case scheme != "nats" && scheme != "tls" || u.Hostname() == "" || u.Port() == "" || bucket == "" || strings.Contains(bucket, "/") || u.RawQuery != "" || u.Fragment != "":
		return "", "", true, fmt.Errorf("%q: must be a folder, or nats://HOST:PORT/BUCKET (tls:// for TLS only), the object store of a NATS server", text)
	}
	return scheme + "://" + u.Host, bucket, true, nil
}

// bucketPatience is how long the server may be silent.
const bucketPatience = time.Minute

// Bucket is a connection to an object store. Whoever opened it closes it soon:
// it does not connect again.
type Bucket struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	name   string
	closed chan struct{} // when the connection is gone
}

// OpenBucket connects. The bucket need not be there.
func OpenBucket(cfg BucketConfig) (*Bucket, error) {
	server, name, is, err := ParseBucket(cfg.URL)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, fmt.Errorf("%q is no bucket", cfg.URL)
	}
	b := &Bucket{name: name, closed: make(chan struct{})}
	var once sync.Once
	opts := []nats.Option{
		nats.Name("segno archive"), nats.NoReconnect(), nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ClosedHandler(func(*nats.Conn) { once.Do(func() { close(b.closed) }) }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // whoever waits is told
	}
	if cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.Credentials))
	}
	if b.nc, err = nats.Connect(server, opts...); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", server, err)
	}
	if b.js, err = jetstream.New(b.nc, jetstream.WithDefaultTimeout(bucketPatience)); err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", server, err)
	}
	return b, nil
}

// Close ends the connection, and whatever is read from it.
func (b *Bucket) Close() error {
	b.nc.Close()
	return nil
}

var errBucketLost = errors.New("the connection to the object store was lost")

// within ends with ctx, and with the connection.
func (b *Bucket) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-b.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// failed is what went wrong, rather than what came of it.
func (b *Bucket) failed(err error) error {
	select {
	case <-b.closed:
		return errBucketLost
	default:
		return err
	}
}

// Sizes answers the bytes of each object by name; none where there is no bucket.
func (b *Bucket) Sizes(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	store, err := b.js.ObjectStore(ctx, b.name)
	var infos []*jetstream.ObjectInfo
	if err == nil {
		infos, err = store.List(ctx)
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the bucket %s: %w", b.name, b.failed(err))
	}
	out := make(map[string]int64, len(infos))
	for _, info := range infos {
		out[info.Name] = int64(info.Size)
	}
	return out, nil
}

// Open reads an object; fs.ErrNotExist says that there is none. Its end is read
// only when it has the digest that was written.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	within, cancel := b.within(ctx)
	var object jetstream.ObjectResult
	store, err := b.js.ObjectStore(within, b.name)
	if err == nil {
		object, err = store.Get(unhurried{within}, name)
	}
	if err != nil {
		err = b.failed(err)
		cancel()
		if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrObjectNotFound) {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r, w := io.Pipe()
	context.AfterFunc(within, func() { w.CloseWithError(b.failed(context.Canceled)) })
	go func() { // which may be stuck for as long as the server may be silent; who reads is not
		_, err := io.Copy(w, object)
		if err != nil {
			err = b.failed(err)
		}
		w.CloseWithError(errors.Join(err, object.Close()))
	}()
	return &bucketObject{PipeReader: r, cancel: cancel}, nil
}

// unhurried has a deadline that moves on: an object may take as long as it takes,
// but each part of it must come in time.
type unhurried struct{ context.Context } //nolint:containedctx // it is one

// Deadline implements context.Context.
func (unhurried) Deadline() (time.Time, bool) { return time.Now().Add(bucketPatience), true }

type bucketObject struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (o *bucketObject) Close() error {
	o.cancel()
	return o.PipeReader.Close()
}

// Put writes an object, whole or not at all, in the place of one of that name. It
// makes the bucket when there is none.
func (b *Bucket) Put(ctx context.Context, name string, r io.Reader) error {
	ctx, cancel := b.within(ctx)
	defer cancel()
	store, err := b.lasting(ctx)
	if err == nil {
		_, err = store.Put(ctx, jetstream.ObjectMeta{Name: name}, r)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, b.failed(err))
	}
	return nil
}

// lasting is the bucket, unless what is in it goes away by itself.
func (b *Bucket) lasting(ctx context.Context) (jetstream.ObjectStore, error) {
	store, err := b.js.ObjectStore(ctx, b.name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return b.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: b.name, Storage: jetstream.FileStorage, Description: "epochs of the log of segno",
		})
	}
	if err != nil {
		return nil, err
	}
	status, err := store.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.TTL() > 0 {
		return nil, fmt.Errorf("the bucket %s forgets everything after %s: take one without a TTL", b.name, status.TTL())
	}
	return store, nil
}
