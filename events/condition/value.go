package condition

import (
	"encoding/json"
	"reflect"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
)

// adapter shows Go values to CEL as their JSON would look, without writing it.
// A number, text or truth that JSON leaves out because it is zero is zero here: a
// Deployment that exists has 0 available replicas rather than none.
type adapter struct {
	kinds map[reflect.Type]*events.Kind // of objects as a whole, which do not carry their own
}

var _ types.Adapter = adapter{}

func adapterOf(table *events.Table) adapter {
	out := adapter{kinds: map[reflect.Type]*events.Kind{}}
	for _, kind := range table.All() {
		out.kinds[reflect.TypeOf(kind.New())] = kind
	}
	return out
}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case nil:
		return types.NullValue
	case ref.Val:
		return v
	case events.Object:
		return a.object(v)
	default:
		return valueOf(reflect.ValueOf(value))
	}
}

// fieldsType is the type of everything that has fields.
var fieldsType = cel.ObjectType("object", traits.IndexerType|traits.FieldTesterType|traits.ContainerType)

// fields is a Go struct.
type fields struct {
	v    reflect.Value
	kind *events.Kind // of an object as a whole
}

func (a adapter) object(obj events.Object) ref.Val {
	return &fields{v: reflect.ValueOf(obj).Elem(), kind: a.kinds[reflect.TypeOf(obj)]}
}

// valueOf is a Go value; of what JSON leaves out as null or empty it is null.
func valueOf(v reflect.Value) ref.Val {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return types.NullValue
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Bool:
		return types.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Type() == durationType {
			return types.Duration{Duration: time.Duration(v.Int())}
		}
		return types.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return types.Int(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return types.Double(v.Float())
	case reflect.String:
		return types.String(v.String())
	case reflect.Struct:
		return structOf(v)
	case reflect.Slice:
		return sliceOf(v)
	case reflect.Map:
		return types.NewDynamicMap(adapter{}, v.Interface())
	default:
		return types.NewErr("a %s cannot be shown", v.Type())
	}
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

func structOf(v reflect.Value) ref.Val {
	switch formOf(v.Type()) {
	case formTime:
		return timeOf(v.Interface().(time.Time))
	case formMetaTime:
		return timeOf(v.Interface().(metav1.Time).Time)
	case formMicroTime:
		return timeOf(v.Interface().(metav1.MicroTime).Time)
	case formDuration:
		return types.Duration{Duration: v.Interface().(metav1.Duration).Duration}
	case formOwn:
		return throughJSON(v)
	default:
		return &fields{v: v}
	}
}

// form is how a struct looks in JSON.
type form int

const (
	formFields form = iota
	formTime
	formMetaTime
	formMicroTime
	formDuration
	formOwn // as its MarshalJSON says: quantities, numbers that may be texts
)

var forms sync.Map // reflect.Type to form: computed once a type, never changed

func formOf(t reflect.Type) form {
	if known, ok := forms.Load(t); ok {
		return known.(form)
	}
	out := formFields
	switch t {
	case reflect.TypeFor[time.Time]():
		out = formTime
	case reflect.TypeFor[metav1.Time]():
		out = formMetaTime
	case reflect.TypeFor[metav1.MicroTime]():
		out = formMicroTime
	case reflect.TypeFor[metav1.Duration]():
		out = formDuration
	default:
		if t.Implements(marshalerType) || reflect.PointerTo(t).Implements(marshalerType) {
			out = formOwn
		}
	}
	forms.Store(t, out)
	return out
}

func timeOf(at time.Time) ref.Val {
	if at.IsZero() {
		return types.NullValue
	}
	return types.Timestamp{Time: at.UTC()}
}

func throughJSON(v reflect.Value) ref.Val {
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return types.WrapErr(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return types.WrapErr(err)
	}
	if whole, ok := out.(float64); ok && whole == float64(int64(whole)) {
		return types.Int(int64(whole))
	}
	return types.DefaultTypeAdapter.NativeToValue(out)
}

func sliceOf(v reflect.Value) ref.Val {
	if v.Type().Elem().Kind() == reflect.Uint8 { // base64, as in JSON
		return throughJSON(v)
	}
	out := make([]ref.Val, v.Len())
	for i := range out {
		out[i] = valueOf(v.Index(i))
	}
	return types.NewRefValList(adapter{}, out)
}

// field is a field by its name; ok is false where JSON has none.
func (f *fields) field(name string) (val ref.Val, shown, ok bool) {
	if f.kind != nil && name == "kind" {
		return types.String(f.kind.GVK.Kind), true, true
	}
	if f.kind != nil && name == "apiVersion" {
		return types.String(f.kind.GVK.GroupVersion().String()), true, true
	}
	v, omitEmpty, ok := layoutOf(f.v.Type()).find(f.v, name)
	if !ok {
		return nil, false, false
	}
	if val = valueOf(v); val == types.NullValue {
		return nil, false, false
	}
	return val, !omitEmpty || !empty(v), true
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

// Get implements traits.Indexer.
func (f *fields) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.NewErr("no such overload: a field is named by a text")
	}
	val, _, ok := f.field(string(name))
	if !ok {
		return types.NewErr("no such key: %s", name)
	}
	return val
}

// IsSet implements traits.FieldTester: has().
func (f *fields) IsSet(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.False
	}
	_, shown, ok := f.field(string(name))
	return types.Bool(ok && shown)
}

// Contains implements traits.Container: "x" in it.
func (f *fields) Contains(index ref.Val) ref.Val { return f.IsSet(index) }

// Equal implements ref.Val.
func (f *fields) Equal(other ref.Val) ref.Val {
	o, ok := other.(*fields)
	if ok && f.v.CanAddr() && o.v.CanAddr() && f.v.Addr() == o.v.Addr() && f.v.Type() == o.v.Type() {
		return types.True
	}
	return types.Bool(ok && f.v.Type() == o.v.Type() && equality.Semantic.DeepEqual(f.v.Interface(), o.v.Interface()))
}

// ConvertToNative implements ref.Val.
func (f *fields) ConvertToNative(reflect.Type) (any, error) { return f.v.Interface(), nil }

// ConvertToType implements ref.Val.
func (f *fields) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return fieldsType
	}
	return types.NewErr("no such overload: an object is no %s", to.TypeName())
}

// Type implements ref.Val.
func (f *fields) Type() ref.Type { return fieldsType }

// Value implements ref.Val.
func (f *fields) Value() any { return f.v.Interface() }
