package archives

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/archive"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

var table = kinds.Table()

// inFolder are archives in a folder of their own.
func inFolder(t *testing.T) (a *Archives, dir string) {
	t.Helper()
	dir = t.TempDir()
	a, err := New(Config{Place: dir})
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// log folds so many transactions of somebody.
func log(t *testing.T, who string, n int) *projections.Projection {
	t.Helper()
	p, err := projections.Open(projections.Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	kind := table.Of(proto.Resource{Name: "configmaps"})
	var prev proto.Hash
	for seq := proto.Seq(1); seq <= proto.Seq(n); seq++ {
		name := fmt.Sprint("o", seq%5)
		obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Data: map[string]string{"n": seq.String(), "who": who}}
		sections, err := kind.Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		env := &proto.Envelope{
			Seq: seq, At: time.Unix(int64(seq), 0), Actor: "user:ada", Verb: "update", Prev: prev,
			Events: []proto.Event{{Kind: "Changed", Key: kind.KeyOf(obj), UID: name, Section: proto.SectionSpec, Encoding: proto.EncodingProtobuf, Body: sections.Spec}},
		}
		encoded := proto.Encode(env)
		prev = proto.HashOf(encoded)
		if err := p.Commit([]proto.Entry{{Envelope: env, Encoded: encoded, Hash: prev}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// everyPlace runs a test over a folder and over a bucket.
func everyPlace(t *testing.T, test func(t *testing.T, a *Archives, store Store)) {
	places := map[string]func(t *testing.T) string{
		"folder": func(t *testing.T) string { return filepath.Join(t.TempDir(), "archive") },
		"bucket": func(t *testing.T) string { return "nats://" + natsServer(t) + "/epochs" },
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			a, err := New(Config{Place: place(t)})
			if err != nil {
				t.Fatal(err)
			}
			store, err := a.open()
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			test(t, a, store)
		})
	}
}

// natsServer is the address of somebody's NATS server.
func natsServer(t *testing.T) string { return runServer(t, &server.Options{}).Addr().String() }

func runServer(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.JetStream, opts.StoreDir, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, t.TempDir(), true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

func keep(t *testing.T, a *Archives, p *projections.Projection, from, to proto.Seq) string {
	t.Helper()
	file, err := a.Keep(t.Context(), archive.Config{Table: table, Secrets: true, Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: p, From: from, To: to}}})
	if err != nil {
		t.Fatal(err)
	}
	return file.Name
}

func contents(t *testing.T, store Store, name string) []byte {
	t.Helper()
	in, err := store.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, store Store, name, data string) {
	t.Helper()
	if err := store.Put(t.Context(), name, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// readUp reads the archives up to where a log was, and compares.
func readUp(t *testing.T, a *Archives, p *projections.Projection, to proto.Seq) error {
	t.Helper()
	end, _, err := p.PositionAt(to)
	if err != nil {
		t.Fatal(err)
	}
	next := proto.Seq(1)
	err = a.Read(t.Context(), end, func(seq proto.Seq, encoded []byte) error {
		want, err := p.Encoded(next)
		if err != nil || seq != next || string(want) != string(encoded) {
			t.Errorf("%s came in the place of %s: %v", seq, next, err)
		}
		next++
		return nil
	})
	if err == nil && next != to+1 {
		t.Errorf("of 1 to %s it ended before %s", to, next)
	}
	if err != nil && next != 1 {
		t.Errorf("before it was refused, transactions up to %s were given: %v", next-1, err)
	}
	return err
}

// TestE14APlaceOfFiles: what every place can do.
func TestE14APlaceOfFiles(t *testing.T) {
	everyPlace(t, func(t *testing.T, _ *Archives, store Store) {
		if sizes, err := store.Sizes(t.Context()); err != nil || len(sizes) != 0 {
			t.Errorf("a place that is not there yet: %v, %v", sizes, err)
		}
		if _, err := store.Open(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file in it: %v", err)
		}
		large := strings.Repeat("0123456789abcdef", 100_000)
		put(t, store, "a", "first")
		put(t, store, "a", large)
		put(t, store, "b", "")
		if got := string(contents(t, store, "a")); got != large {
			t.Errorf("a has %d bytes", len(got))
		}
		cut := errors.New("cut")
		if err := store.Put(t.Context(), "a", io.MultiReader(strings.NewReader(large[:300_000]), iotest.ErrReader(cut))); !errors.Is(err, cut) {
			t.Errorf("what ends early: %v", err)
		}
		if got := string(contents(t, store, "a")); got != large {
			t.Errorf("after a write that ended early a has %d bytes", len(got))
		}
		if _, err := store.Open(t.Context(), "c"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		if sizes, err := store.Sizes(t.Context()); err != nil || len(sizes) != 2 || sizes["a"] != int64(len(large)) {
			t.Errorf("%v, %v", sizes, err)
		}
		in, err := store.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if err := in.Close(); err != nil { // not read to its end
			t.Error(err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := store.Put(ended, "d", iotest.ErrReader(ended.Err())); err == nil {
			t.Error("something was written for nobody")
		}
	})
}

// TestE14APlaceOfEpochsIsTheLog: read in order, whole, or said which file is
// missing.
func TestE14APlaceOfEpochsIsTheLog(t *testing.T) {
	p := log(t, "ada", 60)
	everyPlace(t, func(t *testing.T, a *Archives, store Store) {
		if err := readUp(t, a, p, 5); !errors.Is(err, ErrIncomplete) {
			t.Errorf("an empty place was read: %v", err)
		}
		keep(t, a, p, 1, 20)
		middle := keep(t, a, p, 21, 40)
		keep(t, a, p, 41, 60)
		put(t, store, "incident.segno", "somebody's")
		for _, to := range []proto.Seq{60, 40, 20} {
			if err := readUp(t, a, p, to); err != nil {
				t.Errorf("up to %s: %v", to, err)
			}
		}
		if err := readUp(t, a, p, 30); !errors.Is(err, ErrIncomplete) { // no file ends there
			t.Errorf("up to the middle of a file: %v", err)
		}
		// Nothing tells the hash of the end; there is one history only.
		if err := a.Read(t.Context(), proto.Position{Seq: 60}, func(proto.Seq, []byte) error { return nil }); err != nil {
			t.Error(err)
		}
		whole := string(contents(t, store, middle))
		put(t, store, middle, whole[:len(whole)-10])
		if err := readUp(t, a, p, 60); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), middle+" (the archive is damaged: it ends early") {
			t.Errorf("with a damaged file: %v", err)
		}
		put(t, store, middle, "nothing")
		if err := readUp(t, a, p, 60); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(),
			"transactions up to 40 were archived, and the file that ends with 40 is not in "+a.Place()+": put EVENTS-…-00000000000000000040.segno back. What lies there is of no use: "+middle+" (not an archive of segno)") {
			t.Errorf("without a file: %v", err)
		}
	})
}

// TestE14ACopyOfAFileIsNoOtherHistory, be the hash of the end known or not.
func TestE14ACopyOfAFileIsNoOtherHistory(t *testing.T) {
	p := log(t, "ada", 20)
	a, dir := inFolder(t)
	name := keep(t, a, p, 1, 20)
	data := contents(t, Folder{Dir: dir}, name)
	put(t, Folder{Dir: dir}, "EVENTS-copy.segno", string(data))
	end, _, err := p.PositionAt(20)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []proto.Position{end, {Seq: 20}} {
		proof, err := a.Prove(t.Context(), end, func(proto.Seq) {})
		if err != nil || len(proof.Files) != 1 || len(proof.Others) != 1 || !strings.Contains(proof.Others[0], " (what it holds is read from EVENTS-") {
			t.Errorf("up to %v: %+v, %v", end, proof, err)
		}
	}
}

// TestE14FilesOfOthersAreLeftAlone: two clusters and a history that went on
// differently lie in one place, in any order.
func TestE14FilesOfOthersAreLeftAlone(t *testing.T) {
	ada, bob := log(t, "ada", 60), log(t, "bob", 60)
	everyPlace(t, func(t *testing.T, a *Archives, store Store) {
		names := map[string]bool{}
		for _, span := range [][2]proto.Seq{{1, 20}, {21, 40}, {41, 60}} {
			for _, p := range []*projections.Projection{ada, bob} {
				name := keep(t, a, p, span[0], span[1])
				if again := keep(t, a, p, span[0], span[1]); again != name || names[name] {
					t.Errorf("kept as %s, and then as %s", name, again)
				}
				names[name] = true
			}
		}
		alone := keep(t, a, bob, 1, 35)
		put(t, store, "EVENTS-broken.segno", "nothing")
		for _, p := range []*projections.Projection{ada, bob} {
			if err := readUp(t, a, p, 60); err != nil {
				t.Error(err)
			}
		}
		end, _, err := ada.PositionAt(60)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := a.Prove(t.Context(), end, func(proto.Seq) {})
		if err != nil || len(proof.Files) != 3 || len(proof.Others) != 5 || !slices.Contains(proof.Others, alone+" (of another history)") ||
			!slices.Contains(proof.Others, "EVENTS-broken.segno (not an archive of segno)") {
			t.Errorf("%+v, %v", proof, err)
		}
		if err := readUp(t, a, bob, 35); err != nil {
			t.Error(err)
		}
		if err := readUp(t, a, ada, 35); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), alone+" (of another history)") {
			t.Errorf("another's file was taken: %v", err)
		}
		if err := a.Read(t.Context(), proto.Position{Seq: 60}, func(proto.Seq, []byte) error { return nil }); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "two histories") {
			t.Errorf("one of two histories was chosen: %v", err)
		}
	})
}

// TestE14AFileOfBeforeIsTakenOnlyWhenItIsWhole: a crash may have left it.
func TestE14AFileOfBeforeIsTakenOnlyWhenItIsWhole(t *testing.T) {
	p := log(t, "ada", 30)
	a, dir := inFolder(t)
	path := filepath.Join(dir, keep(t, a, p, 1, 30))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil || before.Mode().Perm() != 0o600 {
		t.Fatal(before, err)
	}
	keep(t, a, p, 1, 30)
	if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) {
		t.Errorf("a whole file was written again: %v", err)
	}
	cut := whole[:len(whole)-10]
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, keep(t, a, p, 1, 30))
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, cut) || other == path {
		t.Errorf("a file that may be somebody's was written over: %v", err)
	}
	if err := readUp(t, a, p, 30); err != nil {
		t.Errorf("a damaged file was taken: %v", err)
	}
	if err := os.WriteFile(other, cut, 0o600); err != nil { // ours: its name has the hash
		t.Fatal(err)
	}
	keep(t, a, p, 1, 30)
	if err := readUp(t, a, p, 30); err != nil {
		t.Errorf("a damaged file was taken: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestE14WhatIsNoPlaceIsRefused(t *testing.T) {
	for place, want := range map[string]string{
		"":                              "must be named",
		"s3://bucket":                   "must be a folder, or nats://HOST:PORT/BUCKET",
		"nats://host/a":                 "must be a folder, or nats://HOST:PORT/BUCKET",
		"nats://:4222/a":                "must be a folder, or nats://HOST:PORT/BUCKET",
		"nats://host:4222":              "must be a folder, or nats://HOST:PORT/BUCKET",
		"nats://host:4222/a/b":          "must be a folder, or nats://HOST:PORT/BUCKET",
		"nats://ada:secret@host:4222/a": "leave user and password out",
		"nats://ada:secret%@host/a":     "it is no URL",
	} {
		if _, err := New(Config{Place: place}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", place, err)
		}
	}
	if _, err := New(Config{Place: "folder", Credentials: "a.creds"}); err == nil {
		t.Error("credentials for a folder are taken")
	}
}

// TestE14ABucketThatForgetsIsNotTaken, nor is one whose server does not let us in.
func TestE14ABucketThatForgetsIsNotTaken(t *testing.T) {
	address := natsServer(t)
	nc, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "short", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	p := log(t, "ada", 5)
	try := func(cfg Config) error {
		a, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Keep(t.Context(), archive.Config{Table: table, Secrets: true, Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: p, From: 1, To: 5}}})
		return err
	}
	if err := try(Config{Place: "nats://" + address + "/short"}); err == nil || !strings.Contains(err.Error(), "forgets everything after 1h0m0s: take one without a TTL") {
		t.Errorf("%v", err)
	}
	if err := try(Config{Place: "nats://127.0.0.1:1/away"}); err == nil || !strings.Contains(err.Error(), "connect to nats://127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}

// TestE14TheServerOfABucketIsLost in the middle of a file: whoever reads is told,
// and does not wait for ever.
func TestE14TheServerOfABucketIsLost(t *testing.T) {
	s := runServer(t, &server.Options{})
	a, err := New(Config{Place: "nats://" + s.Addr().String() + "/epochs"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := a.open()
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put(t, store, "a", strings.Repeat("0123456789abcdef", 1<<20))
	in, err := store.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.ReadFull(in, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	began := time.Now()
	if n, err := io.Copy(io.Discard, in); err == nil && n < 16<<20-100 {
		t.Errorf("half a file, %d bytes, was taken for all of it", n)
	} else if err != nil && !strings.Contains(err.Error(), "the connection to the object store was lost") {
		t.Errorf("%v", err)
	}
	if _, err := store.Sizes(t.Context()); err == nil || !strings.Contains(err.Error(), "the connection to the object store was lost") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestE14ABucketIsEnteredWithCredentials of a server that asks for them.
func TestE14ABucketIsEnteredWithCredentials(t *testing.T) {
	sign := func(claims jwt.Claims, key nkeys.KeyPair) string {
		text, err := claims.Encode(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	made := func(pair nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return pair, public
	}
	operator, operatorKey := made(nkeys.CreateOperator())
	account, accountKey := made(nkeys.CreateAccount())
	user, userKey := made(nkeys.CreateUser())
	claims := jwt.NewAccountClaims(accountKey)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: 1 << 30, Streams: 10, Consumer: 10}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(accountKey, sign(claims, operator)); err != nil {
		t.Fatal(err)
	}
	_, systemKey := made(nkeys.CreateAccount())
	if err := resolver.Store(systemKey, sign(jwt.NewAccountClaims(systemKey), operator)); err != nil {
		t.Fatal(err)
	}
	s := runServer(t, &server.Options{TrustedKeys: []string{operatorKey}, AccountResolver: resolver, SystemAccount: systemKey})
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(sign(jwt.NewUserClaims(userKey), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	p, place := log(t, "ada", 5), "nats://"+s.Addr().String()+"/epochs"
	a, err := New(Config{Place: place, Credentials: file})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, a, p, 1, 5)
	if err := readUp(t, a, p, 5); err != nil {
		t.Error(err)
	}
	if a, err = New(Config{Place: place}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.List(t.Context()); err == nil || !strings.Contains(err.Error(), "Authorization") {
		t.Errorf("without credentials: %v", err)
	}
}
