package events

import (
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

var (
	namespaces   = proto.Resource{Name: "namespaces"}
	metadataPath = field.NewPath("metadata")
)

func (d *decider) create(c Create) (Decision, error) {
	kind, err := d.kindOf(c.Key)
	if err != nil {
		return Decision{}, err
	}
	obj, err := take(kind, c.Object)
	if err != nil {
		return Decision{}, err
	}
	key, err := identify(kind, c.Key, obj, c.NameSuffix)
	if err != nil {
		return Decision{}, err
	}
	if err := d.openNamespace(kind, key); err != nil {
		return Decision{}, err
	}
	if obj.GetResourceVersion() != "" {
		return Decision{}, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	if err := d.unused(kind, key, obj); err != nil {
		return Decision{}, err
	}
	d.prepareCreate(kind, obj, c.UID)
	if err := d.admitNew(kind, obj); err != nil {
		return Decision{}, err
	}
	return d.conclude(VerbCreate, change{kind: kind, key: key, after: obj})
}

// take copies an object that came with a command, without its apiVersion and
// kind: those are the table's to know.
func take(kind *Kind, given Object) (Object, error) {
	if given == nil || reflect.TypeOf(given) != kind.goType {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s expects a %s, got %T", kind.Resource, kind.GVK.Kind, given))
	}
	obj := Copy(given)
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	obj.SetSelfLink("")
	return obj, nil
}

// maxGenerated leaves room for the suffix of a generated name in a DNS label.
const maxGenerated = 63 - 5

// identify completes name and namespace of the object from the key, and
// refuses it where the two differ.
func identify(kind *Kind, key proto.ObjectKey, obj Object, suffix string) (proto.ObjectKey, error) {
	switch ns := obj.GetNamespace(); {
	case !kind.Namespaced:
		obj.SetNamespace("")
	case ns == "":
		obj.SetNamespace(key.Namespace)
	case ns != key.Namespace:
		return key, apierrors.NewBadRequest(fmt.Sprintf(
			"the namespace of the provided object does not match the namespace sent on the request (%s, %s)", ns, key.Namespace))
	}
	switch name := obj.GetName(); {
	case name == "" && key.Name != "":
		obj.SetName(key.Name)
	case name == "" && obj.GetGenerateName() != "":
		base := obj.GetGenerateName()
		obj.SetName(base[:min(len(base), maxGenerated)] + suffix)
	case key.Name != "" && name != key.Name:
		return key, apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", name, key.Name))
	}
	key.Name = obj.GetName()
	return key, nil
}

// openNamespace refuses a creation in a namespace that is not there or going.
// Notes and leases are not asked: their logs know no namespaces.
func (d *decider) openNamespace(kind *Kind, key proto.ObjectKey) error {
	of := d.table.Of(namespaces)
	if !kind.Namespaced || of == nil || kind.Stream != of.Stream {
		return nil
	}
	found, err := d.view.Get(namespaces.Key("", key.Namespace))
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", key.Namespace, err)
	}
	if found == nil {
		return notFound(of, key.Namespace)
	}
	ns, ok := found.(*corev1.Namespace)
	if ok && (ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating) {
		return terminating(kind, key.Name, key.Namespace)
	}
	return nil
}

// unused refuses a name that is taken.
func (d *decider) unused(kind *Kind, key proto.ObjectKey, obj Object) error {
	if key.Name == "" {
		return nil // validation says that a name is required
	}
	other, err := d.view.Get(key)
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", key, err)
	case other == nil:
		return nil
	case obj.GetGenerateName() != "":
		return apierrors.NewGenerateNameConflict(kind.GroupResource(), key.Name, 1)
	default:
		return apierrors.NewAlreadyExists(kind.GroupResource(), key.Name)
	}
}

// prepareCreate sets what the system owns and fills in the defaults.
func (d *decider) prepareCreate(kind *Kind, obj Object, uid types.UID) {
	obj.SetUID(uid)
	obj.SetCreationTimestamp(d.now())
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetGeneration(0)
	if kind.Default != nil {
		kind.Default(obj)
	}
	if kind.PrepareCreate != nil {
		kind.PrepareCreate(obj)
	}
}

// now is the command's time as timestamps of the API have it: whole seconds.
func (d *decider) now() metav1.Time { return metav1.Unix(d.at.Unix(), 0) }

func (d *decider) admitNew(kind *Kind, obj Object) error {
	errs := apivalidation.ValidateObjectMetaAccessor(obj, kind.Namespaced, kind.nameRule(), metadataPath)
	if kind.Validate != nil {
		errs = append(errs, kind.Validate(obj)...)
	}
	if err := invalid(kind, obj.GetName(), errs); err != nil {
		return err
	}
	if kind.Admit == nil {
		return nil
	}
	return kind.Admit(d.view, obj, nil)
}

// nameRule is the kind's rule for names; DNS subdomains unless it has its own.
func (k *Kind) nameRule() apivalidation.ValidateNameFunc {
	if k.Name == nil {
		return apivalidation.NameIsDNSSubdomain
	}
	return k.Name
}
