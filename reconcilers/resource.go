package reconcilers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/proto"
)

// Resources that the control loops watch and write.
var (
	Namespaces     = proto.Resource{Name: "namespaces"}
	Nodes          = proto.Resource{Name: "nodes"}
	Pods           = proto.Resource{Name: "pods"}
	ConfigMaps     = proto.Resource{Name: "configmaps"}
	Services       = proto.Resource{Name: "services"}
	Endpoints      = proto.Resource{Name: "endpoints"}
	Events         = proto.Resource{Name: "events"}
	Deployments    = proto.Resource{Group: "apps", Name: "deployments"}
	ReplicaSets    = proto.Resource{Group: "apps", Name: "replicasets"}
	EndpointSlices = proto.Resource{Group: "discovery.k8s.io", Name: "endpointslices"}
	Ingresses      = proto.Resource{Group: "networking.k8s.io", Name: "ingresses"}
	IngressClasses = proto.Resource{Group: "networking.k8s.io", Name: "ingressclasses"}
	Secrets        = proto.Resource{Name: "secrets"}
	Leases         = proto.Resource{Group: "coordination.k8s.io", Name: "leases"}
)

// Kinds of those that own others or have something told about them.
var (
	NamespaceKind     = corev1.SchemeGroupVersion.WithKind("Namespace")
	NodeKind          = corev1.SchemeGroupVersion.WithKind("Node")
	PodKind           = corev1.SchemeGroupVersion.WithKind("Pod")
	ServiceKind       = corev1.SchemeGroupVersion.WithKind("Service")
	DeploymentKind    = appsv1.SchemeGroupVersion.WithKind("Deployment")
	ReplicaSetKind    = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	EndpointSliceKind = discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice")
	IngressKind       = networkingv1.SchemeGroupVersion.WithKind("Ingress")
)

// NamespaceNodeLease is where the heartbeats of the nodes are kept.
const NamespaceNodeLease = "kube-node-lease"
