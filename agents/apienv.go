package agents

import (
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// apiService is the Service by which pods find the API.
var apiService = types.NamespacedName{Namespace: corev1.NamespaceDefault, Name: "kubernetes"}

// apiVariables say to containers where the API is, as Kubernetes' clients look for
// it; none where no Service leads there.
func (a *Agent) apiVariables() []string {
	service, known := a.cfg.Catalog.Get(apiService)
	if !known || net.ParseIP(service.Spec.ClusterIP) == nil || len(service.Spec.Ports) == 0 {
		return nil
	}
	host, port := service.Spec.ClusterIP, &service.Spec.Ports[0]
	number := strconv.Itoa(int(port.Port))
	protocol := strings.ToLower(string(port.Protocol))
	address, prefix := protocol+"://"+net.JoinHostPort(host, number), "KUBERNETES_PORT_"+number+"_"+strings.ToUpper(protocol)
	return []string{
		"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + number, "KUBERNETES_SERVICE_PORT_HTTPS=" + number,
		"KUBERNETES_PORT=" + address, prefix + "=" + address,
		prefix + "_PROTO=" + protocol, prefix + "_PORT=" + number, prefix + "_ADDR=" + host,
	}
}
