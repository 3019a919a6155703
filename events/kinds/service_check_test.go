package kinds_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
)

// holding is a view of Services that nobody decided.
type holding struct {
	nothing
	services []events.Object
}

func (h holding) List(events.Query) (events.Page, error) { return events.Page{Items: h.services}, nil }

// TestS1StandingCheck: what is held twice, in vain, outside the ranges, or not at
// all is found; the younger one of two is at fault.
func TestS1StandingCheck(t *testing.T) {
	var view holding
	add := func(name string, age int, spec string) {
		_, obj := load(t, []byte(serviceDoc(name, spec)))
		obj.SetNamespace("default")
		obj.SetCreationTimestamp(metav1.NewTime(now.Add(-time.Duration(age) * time.Hour)))
		view.services = append(view.services, obj)
	}
	const v4 = "ipFamilies: [IPv4], "
	add("fine", 9, v4+"clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], type: NodePort, ports: [{port: 53, nodePort: 30053}, {port: 53, protocol: UDP, nodePort: 30053}]")
	add("headless", 9, v4+"clusterIP: None, clusterIPs: [None]")
	add("named", 9, "type: ExternalName, externalName: example.com")
	if flaws, err := kinds.CheckServices(view); err != nil || len(flaws) != 0 {
		t.Errorf("%v, %v", flaws, err)
	}
	add("second", 1, v4+"clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], type: NodePort, ports: [{port: 80, nodePort: 30053}]")
	add("thief", 1, v4+"clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{port: 53, nodePort: 30054}]")
	add("squatter", 1, v4+"clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]")
	add("far", 2, v4+"clusterIP: 10.97.0.1, clusterIPs: [10.97.0.1], type: NodePort, ports: [{port: 80, nodePort: 80}]")
	add("six", 3, "ipFamilies: [IPv6], clusterIP: 'fd00::1', clusterIPs: ['fd00::1']")
	add("poor", 4, v4+"type: NodePort, ports: [{port: 80}]")
	add("left", 5, "type: ExternalName, externalName: example.com, clusterIP: 10.96.0.8")
	add("two", 6, v4+"clusterIP: 10.96.0.9, clusterIPs: [10.96.0.9, 'fd00::2'], healthCheckNodePort: 30055")
	add("balancer", 7, v4+"type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: 10.96.0.11, clusterIPs: [10.96.0.11], healthCheckNodePort: 30053, ports: [{port: 80, nodePort: 30056}]")
	flaws, err := kinds.CheckServices(view)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"balancer PortAlreadyAllocated: its node port 30053 is that of the Service default/fine",
		"two ClusterIPNotReleased: it has the cluster IPs [10.96.0.9 fd00::2] for the families [IPv4]",
		"two ClusterIPOutOfRange: its cluster IP fd00::2 is not of the service network [10.96.0.0/16]",
		"two PortNotReleased: it has the health check node port 30055, and needs none",
		"left ClusterIPNotReleased: it has the cluster IPs [10.96.0.8], and needs none",
		"poor ClusterIPNotAllocated: it has the cluster IPs [] for the families [IPv4]",
		"poor PortNotAllocated: its port 80 has no node port",
		"six ClusterIPOutOfRange: its cluster IP fd00::1 is not of the service network [10.96.0.0/16]",
		"far ClusterIPOutOfRange: its cluster IP 10.97.0.1 is not of the service network [10.96.0.0/16]",
		"far PortOutOfRange: its node port 80 is not of the range 30000-32767",
		"second ClusterIPAlreadyAllocated: its cluster IP 10.96.0.7 is that of the Service default/fine",
		"second PortAlreadyAllocated: its node port 30053 is that of the Service default/fine",
		"squatter ClusterIPAlreadyAllocated: its cluster IP 10.96.0.1 is that of the Service default/kubernetes",
		"thief ClusterIPAlreadyAllocated: its cluster IP 10.96.0.10 is that of the Service kube-system/kube-dns",
		"thief PortNotReleased: its port 53 has the node port 30054, and needs none",
	}
	for i := range max(len(want), len(flaws)) {
		got := ""
		if i < len(flaws) {
			got = fmt.Sprintf("%s %s: %s", flaws[i].Service.Name, flaws[i].Reason, flaws[i].Message)
		}
		if i >= len(want) || got != want[i] {
			t.Errorf("flaw %d: %q, want %q", i, got, want[min(i, len(want)-1)])
		}
	}
}
