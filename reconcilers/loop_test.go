package reconcilers_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/internal/world"
)

var (
	configMaps = proto.Resource{Name: "configmaps"}
	keyA       = configMaps.Key("default", "a")
	keyB       = configMaps.Key("default", "b")
)

// played is a Reconciler whose decisions the test makes.
type played struct {
	watches []reconcilers.Watch
	decide  func(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error)
}

func (p *played) Name() string { return "played" }

func (p *played) Watches() []reconcilers.Watch {
	if p.watches == nil {
		return []reconcilers.Watch{{Resource: configMaps}}
	}
	return p.watches
}

func (p *played) Reconcile(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error) {
	return p.decide(view, key, at)
}

// bench is a world with one loop that runs a played reconciler.
type bench struct {
	t    *testing.T
	w    *world.World
	loop *reconcilers.Loop
	log  []string // what was looked at, and when
	sent []world.Transaction
}

func (b *bench) note(key reconcilers.Key, started time.Time) {
	b.log = append(b.log, fmt.Sprintf("%s@%v", key.Name, time.Since(started)))
}

func newBench(t *testing.T, p *played, cfg reconcilers.Config) *bench {
	t.Helper()
	b := &bench{t: t, w: world.New()}
	b.w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	b.w.Committed = func(tx world.Transaction) { b.sent = append(b.sent, tx) }
	cfg.Reconciler, cfg.Table = p, b.w.Table
	if cfg.Views == nil {
		cfg.Views = b.w
	}
	if cfg.Submit == nil {
		cfg.Submit = b.w
	}
	cfg.Feed = b.w
	var err error
	if b.loop, err = reconcilers.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.w.Observe(b.loop.Observe)
	return b
}

func (b *bench) configMap(name string) {
	b.t.Helper()
	b.w.Create(b.t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}})
}

func (b *bench) touch(key proto.ObjectKey, value string) {
	b.t.Helper()
	b.w.Change(b.t, key, func(obj events.Object) { obj.(*corev1.ConfigMap).Data = map[string]string{"v": value} })
}

// run lets the loop work for a time, on virtual time.
func (b *bench) run(d time.Duration) {
	b.t.Helper()
	end := time.Now().Add(d)
	for {
		if err := b.loop.CatchUp(context.Background()); err != nil {
			b.t.Fatal(err)
		}
		wait, ok := b.loop.Next()
		if left := time.Until(end); !ok || wait > left {
			time.Sleep(left) // virtual
			return
		}
		time.Sleep(wait)
	}
}

func (b *bench) expect(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.log, want) {
		b.t.Errorf("looked at %v\nwant      %v", b.log, want)
	}
	b.log = nil
}

// causes lists the causes of what the loop has sent, notes aside.
func (b *bench) causes() []string {
	var out []string
	for _, tx := range b.sent {
		if tx.Cmd.Actor == "system:played" && tx.Stream == proto.StreamEvents {
			out = append(out, fmt.Sprintf("%d/%s", tx.Cmd.Cause.Seq, tx.Cmd.Correlation))
		}
	}
	b.sent = nil
	return out
}

func TestN6FailuresBackOffAndSuccessForgetsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		failures := 5
		var b *bench
		b = newBench(t, &played{decide: func(_ events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
			b.note(key, started)
			if failures > 0 {
				failures--
				return d, errors.New("cannot read")
			}
			return d, nil
		}}, reconcilers.Config{})
		b.configMap("a")
		b.run(time.Hour)
		b.expect("a@0s", "a@5ms", "a@15ms", "a@35ms", "a@75ms", "a@155ms")

		started, failures = time.Now(), 1
		b.touch(keyA, "1")
		b.run(time.Hour)
		b.expect("a@0s", "a@5ms")

		started, failures = time.Now(), 1000
		b.touch(keyA, "2")
		b.run(10 * time.Minute)
		last, before := b.log[len(b.log)-1], b.log[len(b.log)-2]
		if fmt.Sprint(after(t, last)-after(t, before)) != "1m0s" {
			t.Errorf("the longest pause is from %s to %s, want a minute", before, last)
		}
	})
}

func after(t *testing.T, line string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(line[len("a@"):])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestN6AfterLooksAgainAndAPanicHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		panics := 2
		var b *bench
		b = newBench(t, &played{decide: func(_ events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
			b.note(key, started)
			if key == keyA && panics > 0 {
				panics--
				panic("out of range")
			}
			if key == keyB {
				d.Look(40 * time.Second)
				d.Look(time.Minute) // later than asked before: does not count
			}
			return d, nil
		}}, reconcilers.Config{})
		b.configMap("a")
		b.configMap("b")
		b.run(90 * time.Second)
		b.expect("a@0s", "b@0s", "a@5ms", "a@15ms", "b@40s", "b@1m20s")
	})
}

// set is a command that writes a value into a ConfigMap as it was read.
func set(t *testing.T, view events.View, key proto.ObjectKey, value string) (d reconcilers.Decision) {
	t.Helper()
	cm, ok, err := events.GetAs[*corev1.ConfigMap](view, key)
	if err != nil {
		t.Fatal(err)
	}
	if ok && cm.Data["done"] != value {
		changed := events.Copy(cm)
		changed.Data = map[string]string{"done": value}
		d.Do("Set", events.Update{Key: key, Object: changed})
	}
	return d
}

func TestN6AConflictIsReadAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		rivals := 3
		var b *bench
		b = newBench(t, &played{decide: func(view events.View, key reconcilers.Key, _ time.Time) (reconcilers.Decision, error) {
			b.note(key, started)
			return set(t, view, key, "x"), nil
		}}, reconcilers.Config{})
		always := false
		b.w.Refuse = func(cmd events.Command) error {
			switch {
			case cmd.Actor != "system:played":
			case always:
				return apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("modified"))
			case rivals > 0:
				rivals--
				b.touch(keyA, fmt.Sprint("rival", rivals)) // somebody is faster
			}
			return nil
		}
		b.configMap("a")
		b.run(time.Minute)
		b.expect("a@0s", "a@0s", "a@0s", "a@0s", "a@0s") // the last look finds it done

		// Somebody who is always faster does not make it spin.
		started, always = time.Now(), true
		b.touch(keyA, "again")
		b.run(20 * time.Millisecond)
		at0 := 0
		for _, line := range b.log {
			if line == "a@0s" {
				at0++
			}
		}
		if at0 != 11 || len(b.log) < 13 {
			t.Errorf("looked %d times at once and %d times in all, want 11 and a few more after pauses", at0, len(b.log))
		}
	})
}

func TestN6RefusedIsSaidAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var b *bench
		b = newBench(t, &played{decide: func(view events.View, key reconcilers.Key, _ time.Time) (reconcilers.Decision, error) {
			b.note(key, started)
			d := set(t, view, key, "x")
			d.Notes = append(d.Notes, reconcilers.Note{Reason: "Never", Message: "the command was not accepted"})
			return d, nil
		}}, reconcilers.Config{})
		b.w.Refuse = func(cmd events.Command) error {
			if _, isUpdate := cmd.Action.(events.Update); isUpdate && cmd.Actor == "system:played" && cmd.Reason == "Set" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("quota"))
			}
			return nil
		}
		b.configMap("a")
		b.run(time.Hour)
		b.expect("a@0s")
		b.touch(keyA, "1")
		b.run(time.Hour)
		b.expect("a@1h0m0s")
		notes, err := events.ListAs[*corev1.Event](b.w.View(), events.Query{Resource: reconcilers.Events})
		if err != nil {
			t.Fatal(err)
		}
		if len(notes) != 1 {
			t.Fatalf("%d notes, want 1: %v", len(notes), notes)
		}
		n := notes[0]
		want := `Not done, and not tried again until the object changes: configmaps "a" is forbidden: quota`
		if n.Type != corev1.EventTypeWarning || n.Count != 2 || n.Message != want || n.InvolvedObject.Name != "a" ||
			n.LastTimestamp.Sub(n.FirstTimestamp.Time) != time.Hour || n.Source.Component != "played-controller" {
			t.Errorf("note is %+v", n)
		}
	})
}

func TestE8CausesLeadToWhatAPersonDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := false
		value := 0
		b := newBench(t, &played{
			watches: []reconcilers.Watch{{Resource: reconcilers.Pods}},
			decide: func(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
				d.Look(time.Minute)
				if !on {
					return d, nil
				}
				on = false
				value++
				patch := fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, value)
				d.Do("Annotated", events.Patch{Key: key, Type: "application/merge-patch+json", Data: []byte(patch)})
				return d, nil
			},
		}, reconcilers.Config{})
		pod := reconcilers.Pods.Key("default", "p")
		status := func(phase corev1.PodPhase) {
			b.w.SetStatus(t, pod, func(obj events.Object) { obj.(*corev1.Pod).Status.Phase = phase })
		}
		spec := func(label string) {
			b.w.Change(t, pod, func(obj events.Object) { obj.SetLabels(map[string]string{"l": label}) })
		}
		step := func(what, want string) {
			t.Helper()
			b.sent = nil
			on = true
			b.run(0)
			if got := fmt.Sprint(b.causes()); got != want {
				t.Errorf("%s: causes %s, want %s", what, got, want)
			}
		}
		b.w.Create(t, &corev1.Pod{ // #2
			ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		})
		status(corev1.PodRunning) // #3
		step("a creation before a status", "[2/test]")
		status(corev1.PodFailed)  // #5
		status(corev1.PodRunning) // #6
		step("two statuses", "[6/test]")
		status(corev1.PodFailed) // #8
		spec("one")              // #9
		spec("two")              // #10
		status(corev1.PodRunning)
		step("two changes of what is wanted among statuses", "[10/test]")
		time.Sleep(time.Minute) // virtual
		step("later, by itself", "[12/test]")

		fresh, err := reconcilers.New(reconcilers.Config{
			Reconciler: &played{watches: []reconcilers.Watch{{Resource: reconcilers.Pods}}, decide: func(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
				if on {
					on = false
					d.Do("Annotated", events.Patch{Key: key, Type: "application/merge-patch+json", Data: []byte(`{"metadata":{"annotations":{"n":"fresh"}}}`)})
				}
				return d, nil
			}},
			Table: b.w.Table, Views: b.w, Submit: b.w,
		})
		if err != nil {
			t.Fatal(err)
		}
		b.loop = fresh
		step("after a restart", "[13/]")
	})
}

// lagging shows the world as it was, until it is told to catch up.
type lagging struct {
	w    *world.World
	held events.View
}

func (l *lagging) View() events.View {
	if l.held != nil {
		return l.held
	}
	return l.w.View()
}

func TestN6NeverDecidesOnAViewOlderThanItsOwnCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		views := &lagging{}
		made := 0
		p := &played{decide: func(view events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
			found, err := view.Get(keyB)
			if err == nil && found == nil {
				made++
				d.Do("Make", events.Create{Key: keyB, Object: &corev1.ConfigMap{}, UID: "b"})
			}
			return d, err
		}}
		b := newBench(t, p, reconcilers.Config{Views: views})
		views.w = b.w
		b.configMap("a")
		views.held = b.w.View() // without b, whatever is written
		b.run(0)
		b.touch(keyA, "1")
		b.run(50 * time.Millisecond)
		if made != 1 {
			t.Fatalf("decided %d times to make b, want once", made)
		}
		views.held = nil
		b.run(time.Second)
		if made != 1 {
			t.Errorf("decided %d times to make b after the view caught up, want once", made)
		}
	})
}

// late answers the first commands too late: what it took is carried out before
// whatever it is asked next, as at a door that takes one after the other.
type late struct {
	w       *world.World
	silent  int // so many get no answer
	pending []events.Command
	asked   []string
}

func (l *late) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	l.asked = append(l.asked, fmt.Sprintf("%v dry=%t", reconcilers.Targets(cmd.Action), cmd.DryRun))
	if l.silent > 0 {
		l.silent--
		l.pending = append(l.pending, cmd)
		return events.Outcome{}, context.DeadlineExceeded
	}
	for _, before := range l.pending {
		if _, err := l.w.Submit(ctx, before); err != nil {
			return events.Outcome{}, err
		}
	}
	l.pending = nil
	return l.w.Submit(ctx, cmd)
}

func TestN6ACommandWithoutAnAnswerIsNotDoneTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		door := &late{silent: 3}
		b = newBench(t, &played{
			watches: []reconcilers.Watch{{Resource: configMaps, Keys: func(events.View, *reconcilers.Change) ([]reconcilers.Key, error) {
				return []reconcilers.Key{keyA}, nil
			}}},
			decide: func(view events.View, _ reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
				page, err := view.List(events.Query{Resource: configMaps, Labels: labels.SelectorFromSet(labels.Set{"made": "yes"})})
				if err != nil || len(page.Items) > 0 {
					return d, err
				}
				name := fmt.Sprintf("made-%d", view.Seq())
				d.Do("Missing", events.Create{
					Key: configMaps.Key("default", name), UID: types.UID(name),
					Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"made": "yes"}}},
				})
				return d, nil
			},
		}, reconcilers.Config{Submit: door})
		door.w = b.w
		b.configMap("a")
		for i := range 5 { // others write meanwhile: each view is another one
			b.run(3 * time.Millisecond)
			b.touch(keyA, fmt.Sprint(i))
		}
		b.run(time.Minute)
		page, err := b.w.View().List(events.Query{Resource: configMaps, Labels: labels.SelectorFromSet(labels.Set{"made": "yes"})})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("made %d, error %v; the door was asked for %v", len(page.Items), err, door.asked)
		}
	})
}

// breaking is a feed that ends twice before it holds.
type breaking struct {
	*world.World
	breaks int
}

func (f *breaking) Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	if f.breaks > 0 {
		f.breaks--
		return func(yield func(events.Change, error) bool) { yield(events.Change{}, errors.New("the feed broke off")) }
	}
	return f.World.Watch(ctx, after, resources...)
}

func TestN6RunFollowsTheFeedUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}})
		loop, err := reconcilers.New(reconcilers.Config{
			Reconciler: &played{decide: func(view events.View, key reconcilers.Key, _ time.Time) (reconcilers.Decision, error) {
				return set(t, view, key, "x"), nil
			}},
			Table: w.Table, Feed: &breaking{World: w, breaks: 2}, Views: w, Submit: w,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(ctx) }()
		time.Sleep(time.Second) // virtual
		w.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "default"}})
		synctest.Wait()
		for _, key := range []proto.ObjectKey{keyA, keyB} {
			cm, _, err := events.GetAs[*corev1.ConfigMap](w.View(), key)
			if err != nil || cm.Data["done"] != "x" {
				t.Errorf("%s is not done: %v", key, err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ends with %v, want nil", err)
		}
	})
}

func TestN6WhatAllRefuseIsNotTriedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		b := newBench(t, &played{decide: func(view events.View, _ reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
			if done {
				return d, nil
			}
			done = true
			var batch []events.Action
			for i := range 500 {
				key := configMaps.Key("default", fmt.Sprint("many-", i))
				batch = append(batch, events.Create{Key: key, Object: &corev1.ConfigMap{}, UID: reconcilers.UID(i)})
				d.Notes = append(d.Notes, reconcilers.Note{Reason: "Made", Message: key.Name, Needs: key})
			}
			d.Do("Make", batch...)
			return d, nil
		}}, reconcilers.Config{})
		tries := 0
		b.w.Refuse = func(cmd events.Command) error {
			if cmd.Reason == "Make" {
				tries++
				return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New("quota"))
			}
			return nil
		}
		b.configMap("a")
		b.run(time.Minute)
		if tries > 60 {
			t.Errorf("%d tries for a batch of 500 that is refused as a whole, want a few dozen", tries)
		}
		notes, err := events.ListAs[*corev1.Event](b.w.View(), events.Query{Resource: reconcilers.Events})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notes {
			if n.Reason == "Made" {
				t.Errorf("tells of %s, which was refused", n.Message)
			}
		}
	})
}

func TestO3NotesStayOutOfNamespacesThatGo(t *testing.T) {
	w := world.New()
	for _, name := range []string{"default", "stays", "goes"} {
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	w.Delete(t, reconcilers.Namespaces.Key("", "goes")) // Terminating: nobody empties it here
	var notes []reconcilers.Note
	for _, namespace := range []string{"stays", "goes", "never", ""} {
		notes = append(notes, reconcilers.Note{
			About: corev1.ObjectReference{Kind: "Thing", Namespace: namespace, Name: "t"}, From: "test", Reason: "Told", Message: "m",
		})
	}
	actions, err := reconcilers.Tell(w.View(), notes, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, action := range actions {
		got = append(got, action.(events.Create).Key.Namespace)
	}
	if want := []string{"default", "stays"}; !slices.Equal(got, want) {
		t.Errorf("notes go into %v, want %v", got, want)
	}
}

func TestN6NewSaysWhatIsMissing(t *testing.T) {
	w := world.New()
	complete := reconcilers.Config{Reconciler: &played{}, Table: w.Table, Views: w, Submit: w}
	if _, err := reconcilers.New(complete); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(c *reconcilers.Config){
		"reconciler": func(c *reconcilers.Config) { c.Reconciler = nil },
		"table":      func(c *reconcilers.Config) { c.Table = nil },
		"views":      func(c *reconcilers.Config) { c.Views = nil },
		"submit":     func(c *reconcilers.Config) { c.Submit = nil },
		"another log": func(c *reconcilers.Config) {
			c.Reconciler = &played{watches: []reconcilers.Watch{{Resource: reconcilers.Leases}}}
		},
	} {
		cfg := complete
		spoil(&cfg)
		if _, err := reconcilers.New(cfg); err == nil {
			t.Errorf("no error with a wrong %s", name)
		}
	}
}

// refuser is a played reconciler that has something to say to refusals.
type refuser struct {
	played
	refused func(view events.View, key reconcilers.Key, at time.Time) reconcilers.Decision
}

func (r *refuser) Refused(view events.View, key reconcilers.Key, _ []reconcilers.Refusal, at time.Time) (reconcilers.Decision, error) {
	return r.refused(view, key, at), nil
}

// What a refusal leads to is carried out like everything else: until it is done.
func TestN6WhatARefusalLeadsToIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var b *bench
		rivals, failures, looks := 1, 1, 0
		r := &refuser{refused: func(view events.View, key reconcilers.Key, _ time.Time) reconcilers.Decision {
			d := set(t, view, key, "said")
			if len(d.Commands) == 0 && looks > 0 {
				looks--
				d.Look(40 * time.Second)
			}
			return d
		}}
		r.decide = func(_ events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
			b.note(key, started)
			d.Do("Forbidden", events.Create{Key: keyB, Object: &corev1.ConfigMap{}, UID: "b"})
			return d, nil
		}
		b = newBench(t, &r.played, reconcilers.Config{})
		var err error
		if b.loop, err = reconcilers.New(reconcilers.Config{Reconciler: r, Table: b.w.Table, Views: b.w, Submit: b.w, Feed: b.w}); err != nil {
			t.Fatal(err)
		}
		b.w.Forget()
		b.w.Observe(b.loop.Observe)
		b.w.Refuse = func(cmd events.Command) error {
			switch {
			case cmd.Reason == "Forbidden":
				return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "b", errors.New("quota"))
			case cmd.Reason == "Set" && rivals > 0:
				rivals--
				b.touch(keyA, "rival") // somebody is faster
			case cmd.Reason == "Set" && failures > 0:
				failures--
				return apierrors.NewServiceUnavailable("no leader")
			}
			return nil
		}
		b.configMap("a")
		b.run(time.Minute)
		b.expect("a@0s", "a@0s", "a@5ms", "a@5ms") // stale, then failed, then said; the last look finds it so
		cm, _, err := events.GetAs[*corev1.ConfigMap](b.w.View(), keyA)
		if err != nil || cm.Data["done"] != "said" {
			t.Errorf("nothing was said: %v, %v", cm.Data, err)
		}
		started, looks = time.Now(), 1
		b.touch(keyA, "again")
		b.run(time.Minute)
		b.expect("a@0s", "a@0s", "a@40s")
	})
}

// many decides once on a Batch of 500 that creates a ConfigMap each.
func many(whole bool) *played {
	done := false
	return &played{decide: func(events.View, reconcilers.Key, time.Time) (d reconcilers.Decision, err error) {
		if done {
			return d, nil
		}
		done = true
		var batch []events.Action
		for i := range 500 {
			key := configMaps.Key("default", fmt.Sprint("many-", i))
			batch = append(batch, events.Create{Key: key, Object: &corev1.ConfigMap{}, UID: reconcilers.UID(i)})
		}
		if whole {
			d.DoWhole("Make", batch...)
		} else {
			d.Do("Make", batch...)
		}
		return d, nil
	}}
}

func TestN6ABatchThatIsStaleAltogetherIsNotTriedOneByOne(t *testing.T) {
	for _, whole := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, many(whole), reconcilers.Config{})
			tries := 0
			b.w.Refuse = func(cmd events.Command) error {
				if cmd.Reason == "Make" {
					tries++
					return apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "", errors.New("modified"))
				}
				return nil
			}
			b.configMap("a")
			b.run(time.Minute)
			if most := map[bool]int{false: 60, true: 1}[whole]; tries > most {
				t.Errorf("%d tries for a batch of 500 of which all is stale (whole: %t), want at most %d", tries, whole, most)
			}
		})
	}
}

func TestN6WhatIsWholeIsNeverParted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, many(true), reconcilers.Config{})
		b.configMap("a")
		b.configMap("many-77") // one of them is there already
		b.run(time.Minute)
		for _, name := range []string{"many-0", "many-499"} {
			if cm, err := b.w.View().Get(configMaps.Key("default", name)); err != nil || cm != nil {
				t.Errorf("%s was made without the others: %v", name, err)
			}
		}
	})
}

// An object that makes Keys fail, or that does not decode, holds nobody up.
func TestN6OneBadObjectDoesNotStopTheController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var b *bench
		spoilt := true
		p := &played{
			watches: []reconcilers.Watch{{Resource: configMaps, Keys: func(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
				switch obj := change.After(); {
				case spoilt && change.Key.Name == "panics":
					panic("out of range")
				case spoilt && change.Key.Name == "fails":
					return nil, errors.New("cannot read its owner")
				case obj == nil:
					return nil, nil
				}
				return []reconcilers.Key{change.Key}, nil
			}}},
			decide: func(_ events.View, key reconcilers.Key, _ time.Time) (d reconcilers.Decision, err error) {
				b.note(key, started)
				return d, nil
			},
		}
		table := world.New().Table
		b = newBench(t, p, reconcilers.Config{Decode: func(r *events.Record) (events.Object, error) {
			if spoilt && r.Key.Name == "undecoded" {
				return nil, errors.New("wrong wire type")
			}
			return table.Decode(r)
		}})
		for _, name := range []string{"a", "panics", "fails"} {
			b.configMap(name)
		}
		b.run(0) // resyncs first
		b.expect("a@0s")
		for _, name := range []string{"undecoded", "b"} {
			b.configMap(name)
		}
		b.touch(configMaps.Key("default", "panics"), "1")
		b.touch(keyA, "1")
		b.run(30 * time.Second)
		b.expect("b@0s", "a@0s")

		spoilt = false
		b.run(2 * time.Minute)
		slices.Sort(b.log)
		b.expect("a@1m0s", "b@1m0s", "fails@1m0s", "panics@1m0s", "undecoded@1m0s")
	})
}
