package pod_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime/simulated"
)

// walls writes down who is isolated; after that many failures.
type walls struct {
	*stage
	fails int
}

func (w *walls) Attach(_ context.Context, p *corev1.Pod, addresses []netip.Addr) error {
	if w.fails > 0 {
		w.fails--
		return errors.New("no wall")
	}
	w.note("isolate %s at %s", p.UID, fmt.Sprint(addresses))
	return nil
}

func (w *walls) Detach(uid string) { w.note("forget %s", uid) }

// TestNetworkPolicyComesBeforeTheCable: a pod is isolated before it has a link,
// and none starts without.
func TestNetworkPolicyComesBeforeTheCable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, simulated.Config{})
		s.stop()
		s.isolate = &walls{s, 1}
		s.start()
		defer func() { s.stop() }()
		s.want(newPod())
		s.pass(time.Hour)
		s.expect(`
    0s   PodAccepted Pending c=ContainerCreating/0
    0s create sandbox 0
    0s attach network: no wall
    0s   StatusChanged Pending c=ContainerCreating/0
    1s isolate u at [10.0.0.2]
    1s attach network
    1s get image c/0
    1s create container c/0
    1s start container c/0
    1s   ContainerStarted Running ready c=running/0
`)
		s.want(newPod(deleted(30)))
		s.pass(time.Minute)
		s.expect(`
1h0m0s stop container c/0
1h0m0s remove container c/0
1h0m0s remove sandbox
1h0m0s forget u
1h0m0s release network and volumes
1h0m0s   PodEnded Failed c=Error:143/0 ENDED
1h0m0s end
`)
	})
}
