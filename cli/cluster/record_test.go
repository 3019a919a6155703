package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"segno/proto"
)

// record is what a watch of the namespace's pods has told since it began.
type record struct {
	mu   sync.Mutex
	told []told
}

type told struct {
	seq  proto.Seq
	name string
	pod  *corev1.Pod // nil when it is gone
}

// record watches the pods until the cluster ends.
func (w *world) record() *record {
	w.t.Helper()
	// From sequence 1 on: what is there already is told as well.
	stream, err := w.client.CoreV1().Pods(space).Watch(w.ctx, metav1.ListOptions{ResourceVersion: "1"})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &record{}
	go func() {
		for event := range stream.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				r.add(event.Type, pod)
			}
		}
	}()
	return r
}

func (r *record) add(event watch.EventType, pod *corev1.Pod) {
	if event == watch.Bookmark || event == watch.Error {
		return
	}
	seq := seqOf(pod.ResourceVersion)
	r.mu.Lock()
	defer r.mu.Unlock()
	one := told{seq: seq, name: pod.Name, pod: pod}
	if event == watch.Deleted {
		one.pod = nil
	}
	r.told = append(r.told, one)
}

func seqOf(version string) proto.Seq {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("resource version %q: %v", version, err))
	}
	return proto.Seq(n)
}

// moments calls look with the pods as they were after each transaction.
func (r *record) moments(look func(seq proto.Seq, pods []corev1.Pod)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := map[string]*corev1.Pod{}
	for i, t := range r.told {
		if t.pod != nil {
			have[t.name] = t.pod
		} else {
			delete(have, t.name)
		}
		if i+1 < len(r.told) && r.told[i+1].seq == t.seq {
			continue // a transaction is all or nothing
		}
		var pods []corev1.Pod
		for _, name := range slices.Sorted(maps.Keys(have)) {
			pods = append(pods, *have[name])
		}
		look(t.seq, pods)
	}
}
