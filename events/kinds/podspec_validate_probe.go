package kinds

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	missingHandler  = "must specify a handler type"
	severalHandlers = "may not specify more than 1 handler type"
)

// validateProbes checks the probes of a container, each by its own rules.
func validateProbes(path *field.Path, c *corev1.Container) field.ErrorList {
	var errs field.ErrorList
	if c.LivenessProbe != nil {
		liveness := path.Child("livenessProbe")
		errs = append(errs, validateProbe(liveness, c.LivenessProbe)...)
		errs = append(errs, succeedsOnce(liveness, c.LivenessProbe)...)
	}
	if c.ReadinessProbe != nil {
		readiness := path.Child("readinessProbe")
		errs = append(errs, validateProbe(readiness, c.ReadinessProbe)...)
		grace := c.ReadinessProbe.TerminationGracePeriodSeconds
		errs = append(errs, only(grace != nil, field.Invalid(readiness.Child("terminationGracePeriodSeconds"),
			deref(grace, 0), "must not be set for readinessProbes"))...)
	}
	if c.StartupProbe != nil {
		startup := path.Child("startupProbe")
		errs = append(errs, validateProbe(startup, c.StartupProbe)...)
		errs = append(errs, succeedsOnce(startup, c.StartupProbe)...)
	}
	return errs
}

func succeedsOnce(path *field.Path, probe *corev1.Probe) field.ErrorList {
	return only(probe.SuccessThreshold != 1, field.Invalid(path.Child("successThreshold"), probe.SuccessThreshold, "must be 1"))
}

func validateProbe(path *field.Path, probe *corev1.Probe) field.ErrorList {
	errs := validateHandler(path, handler{
		exec: probe.Exec, httpGet: probe.HTTPGet, tcpSocket: probe.TCPSocket, grpc: probe.GRPC,
	})
	errs = slices.Concat(errs,
		atLeastZero(path.Child("initialDelaySeconds"), probe.InitialDelaySeconds),
		atLeastZero(path.Child("timeoutSeconds"), probe.TimeoutSeconds),
		atLeastZero(path.Child("periodSeconds"), probe.PeriodSeconds),
		atLeastZero(path.Child("successThreshold"), probe.SuccessThreshold),
		atLeastZero(path.Child("failureThreshold"), probe.FailureThreshold),
	)
	if grace := probe.TerminationGracePeriodSeconds; grace != nil && *grace <= 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *grace, positive))
	}
	return errs
}

// handler is what a probe or a hook does; exactly one of its fields is set.
type handler struct {
	exec      *corev1.ExecAction
	httpGet   *corev1.HTTPGetAction
	tcpSocket *corev1.TCPSocketAction
	grpc      *corev1.GRPCAction
	sleep     *corev1.SleepAction
}

func validateHandler(path *field.Path, h handler) field.ErrorList {
	errs := exactlyOne(path, missingHandler, severalHandlers,
		alternative{"exec", h.exec != nil}, alternative{"httpGet", h.httpGet != nil},
		alternative{"tcpSocket", h.tcpSocket != nil}, alternative{"grpc", h.grpc != nil}, alternative{"sleep", h.sleep != nil})
	if h.exec != nil && len(h.exec.Command) == 0 {
		errs = append(errs, field.Required(path.Child("exec").Child("command"), ""))
	}
	if h.httpGet != nil {
		errs = append(errs, validateHTTPGet(path.Child("httpGet"), h.httpGet)...)
	}
	if h.tcpSocket != nil {
		errs = append(errs, portNumberOrName(path.Child("tcpSocket").Child("port"), h.tcpSocket.Port)...)
	}
	if h.grpc != nil {
		errs = append(errs, portNumber(path.Child("grpc").Child("port"), h.grpc.Port)...)
	}
	return errs
}

func validateHTTPGet(path *field.Path, get *corev1.HTTPGetAction) field.ErrorList {
	return slices.Concat(
		required(path.Child("path"), get.Path),
		portNumberOrName(path.Child("port"), get.Port),
		oneOf(path.Child("scheme"), get.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS),
		each(path.Child("httpHeaders"), get.HTTPHeaders, func(path *field.Path, header *corev1.HTTPHeader) field.ErrorList {
			return invalid(path.Child("name"), header.Name, validation.IsHTTPHeaderName(header.Name))
		}),
	)
}

// validateLifecycle checks the hooks of a container that is given grace
// seconds to end.
func validateLifecycle(path *field.Path, lifecycle *corev1.Lifecycle, grace int64) field.ErrorList {
	if lifecycle == nil {
		return nil
	}
	return slices.Concat(
		validateHook(path.Child("postStart"), lifecycle.PostStart, grace),
		validateHook(path.Child("preStop"), lifecycle.PreStop, grace),
	)
}

func validateHook(path *field.Path, hook *corev1.LifecycleHandler, grace int64) field.ErrorList {
	if hook == nil {
		return nil
	}
	errs := validateHandler(path, handler{exec: hook.Exec, httpGet: hook.HTTPGet, tcpSocket: hook.TCPSocket, sleep: hook.Sleep})
	if hook.Sleep != nil && (hook.Sleep.Seconds < 0 || hook.Sleep.Seconds > grace) {
		errs = append(errs, field.Invalid(path.Child("sleep"), hook.Sleep.Seconds,
			fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", grace)))
	}
	return errs
}
