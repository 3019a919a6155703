package ingress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/events"
	"segno/events/ingressrule"
	"segno/events/kinds"
	"segno/reconcilers"
)

// tellAgain is how long a person need not be told the same again.
const tellAgain = time.Hour

// component says what is wrong with Ingresses.
const component = "ingress-controller"

// complain tells people what they were not told lately.
func complain(view events.View, at time.Time, d *reconcilers.Decision, notes []reconcilers.Note) error {
	for _, note := range notes {
		told, err := note.Told(view, at.Add(-tellAgain))
		if err != nil {
			return err
		}
		if !told {
			d.Notes = append(d.Notes, note)
		}
	}
	return nil
}

// classNotes are about an Ingress that nobody serves.
func classNotes(ingress *networkingv1.Ingress, classes []*networkingv1.IngressClass) []reconcilers.Note {
	class := kinds.IngressClassOf(ingress)
	known := slices.ContainsFunc(classes, func(c *networkingv1.IngressClass) bool { return c.Name == class })
	switch {
	case ingress.DeletionTimestamp != nil || known:
		return nil
	case class == "":
		return []reconcilers.Note{note(ingress, "NoIngressClass",
			"it names no IngressClass, and none was the default when it was made: nodes do not serve it; name one as spec.ingressClassName (kubectl get ingressclass)")}
	default:
		return []reconcilers.Note{note(ingress, "IngressClassNotFound",
			"there is no IngressClass %.*s: nodes do not serve it; kubectl get ingressclass shows those that there are", longestShown, class)}
	}
}

// mostTold is how many notes of one kind an Ingress gets at once: it may name
// thousands of Services and Secrets.
const mostTold = 20

// longestShown is how much of somebody's text a note repeats.
const longestShown = 253

// servedNotes are about what keeps an Ingress from being served as it is written.
func servedNotes(view events.View, ingress *networkingv1.Ingress, at time.Time, d *reconcilers.Decision) ([]reconcilers.Note, error) {
	backends, err := backendNotes(view, ingress)
	if err != nil {
		return nil, err
	}
	certificates, err := certificateNotes(view, ingress, at, d)
	if err != nil {
		return nil, err
	}
	return slices.Concat(backends, certificates, redirectNotes(ingress)), nil
}

// redirectNotes are about the annotation that means something only as it is known.
func redirectNotes(ingress *networkingv1.Ingress) []reconcilers.Note {
	switch asked, given := ingress.Annotations[ingressrule.Redirect]; {
	case !given, asked == "true", asked == "false":
		return nil
	default:
		return []reconcilers.Note{note(ingress, "InvalidAnnotation", `the annotation %s is %.*q, which is neither "true" nor "false": plain requests are not sent to HTTPS`,
			ingressrule.Redirect, longestShown, asked)}
	}
}

func note(ingress *networkingv1.Ingress, reason, format string, args ...any) reconcilers.Note {
	return reconcilers.Note{
		About: reconcilers.About(reconcilers.IngressKind, ingress), Warning: true, From: component, Reason: reason, Message: fmt.Sprintf(format, args...),
	}
}

// backendNotes are about Services that are not there, or have no such port; each
// is said once.
func backendNotes(view events.View, ingress *networkingv1.Ingress) ([]reconcilers.Note, error) {
	var notes []reconcilers.Note
	for _, backend := range ingressrule.Backends(ingress) {
		if len(notes) == mostTold {
			break
		}
		said, err := backendNote(view, ingress, backend)
		if err != nil {
			return nil, err
		}
		if said != nil && !slices.ContainsFunc(notes, func(n reconcilers.Note) bool { return n.Message == said.Message }) {
			notes = append(notes, *said)
		}
	}
	return notes, nil
}

func backendNote(view events.View, ingress *networkingv1.Ingress, backend *networkingv1.IngressBackend) (*reconcilers.Note, error) {
	if backend.Service == nil {
		said := note(ingress, "UnsupportedBackend", "a backend that is no Service cannot be served: it is answered 503")
		return &said, nil
	}
	name := backend.Service.Name
	service, found, err := events.GetAs[*corev1.Service](view, reconcilers.Services.Key(ingress.Namespace, name))
	if err != nil {
		return nil, fmt.Errorf("read service %s: %w", name, err)
	}
	if !found {
		said := note(ingress, "ServiceNotFound", "there is no Service %s: what leads to it is answered 503", name)
		return &said, nil
	}
	if _, err := ingressrule.Port(service, backend.Service.Port); err != nil {
		said := note(ingress, "ServiceNotUsable", "Service %s: %v; what leads to it is answered 503", name, err)
		return &said, nil
	}
	return nil, nil
}

// certificateNotes are about Secrets without a certificate that is good for the
// hosts. It asks for another look when one ends.
func certificateNotes(view events.View, ingress *networkingv1.Ingress, at time.Time, d *reconcilers.Decision) ([]reconcilers.Note, error) {
	const instead = "clients are shown a certificate of the node's own, which they do not trust"
	var notes []reconcilers.Note
	for i := range ingress.Spec.TLS {
		of := &ingress.Spec.TLS[i]
		if of.SecretName == "" {
			continue
		}
		if len(notes) == mostTold {
			break // it is looked at again when one of these is mended
		}
		secret, found, err := events.GetAs[*corev1.Secret](view, reconcilers.Secrets.Key(ingress.Namespace, of.SecretName))
		if err != nil {
			return nil, fmt.Errorf("read secret %s: %w", of.SecretName, err)
		}
		if !found {
			notes = append(notes, note(ingress, "CertificateNotFound", "there is no Secret %s: %s", of.SecretName, instead))
			continue
		}
		pair, err := ingressrule.ReadPair(secret)
		if err != nil {
			notes = append(notes, note(ingress, "CertificateBroken", "Secret %s: %v; %s", of.SecretName, err, instead))
			continue
		}
		if err := ingressrule.Valid(pair.Leaf, of.Hosts, at); err != nil {
			notes = append(notes, note(ingress, "CertificateNotValid", "Secret %s: %s; clients will not trust it",
				of.SecretName, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
		if left := pair.Leaf.NotAfter.Sub(at); left > 0 {
			d.Look(left + time.Second)
		}
	}
	return notes, nil
}
