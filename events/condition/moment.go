package condition

import (
	"context"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"segno/events"
	"segno/proto"
)

// moment is one evaluation: it answers the variables, and the functions through
// the variable @state.
type moment struct {
	c     *Condition
	state State
	what  *Occurrence
	lists map[Collection]ref.Val
	cost  int
	ended func() error // tells when nobody waits any more
	err   error        // the first that reading the state, or its cost, ended with
}

func (c *Condition) momentOf(ctx context.Context, state State) *moment {
	return &moment{c: c, state: state, ended: func() error { return context.Cause(ctx) }}
}

// ResolveName implements cel.Activation.
func (m *moment) ResolveName(name string) (any, bool) {
	switch name {
	case varState:
		return m, true
	case varEvent:
		if m.what == nil {
			return types.NullValue, true
		}
		return m.what.describe(m.c.cfg.Table), true
	case varBefore:
		return m.side(func(o *Occurrence) lookup { return o.Before }), true
	case varAfter:
		return m.side(func(o *Occurrence) lookup { return o.After }), true
	default:
		return nil, false
	}
}

// Parent implements cel.Activation.
func (m *moment) Parent() cel.Activation { return nil }

// side is the object before or after; null when there is none.
func (m *moment) side(of func(*Occurrence) lookup) ref.Val {
	if m.what == nil || of(m.what) == nil {
		return types.NullValue
	}
	return m.object(of(m.what)())
}

func (m *moment) object(obj events.Object, err error) ref.Val {
	if err != nil {
		m.failed(err)
		return types.WrapErr(err)
	}
	if obj == nil || reflect.ValueOf(obj).IsNil() {
		return types.NullValue
	}
	return m.c.adapter.object(obj)
}

func (m *moment) failed(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *moment) get(key proto.ObjectKey) ref.Val { return m.object(m.state.Get(key)) }

// list reads a collection once in an evaluation, however often it is named.
func (m *moment) list(c Collection) ref.Val {
	if known, ok := m.lists[c]; ok {
		return known
	}
	page, err := m.state.List(events.Query{Resource: c.Resource, Namespace: c.Namespace})
	if err != nil {
		m.failed(err)
		return types.WrapErr(err)
	}
	if !m.spend(len(page.Items)) {
		return types.WrapErr(m.err)
	}
	found := types.NewDynamicList(m.c.adapter, page.Items)
	if m.lists == nil {
		m.lists = map[Collection]ref.Val{}
	}
	m.lists[c] = found
	return found
}

func lookConst(state, index ref.Val) ref.Val {
	m, at := state.(*moment), index.(types.Int)
	return m.get(m.c.named[at])
}

func lookNamed(args ...ref.Val) ref.Val {
	m, at := args[0].(*moment), args[1].(types.Int)
	namespace, ok := args[2].(types.String)
	name, ok2 := args[3].(types.String)
	if !ok || !ok2 {
		return types.NewErr("no such overload: object() of a namespace or name that is no text")
	}
	kind := m.c.kinds[at]
	if !kind.Namespaced {
		namespace = ""
	}
	return m.get(kind.Resource.Key(string(namespace), string(name)))
}

func list(args ...ref.Val) ref.Val {
	m, at := args[0].(*moment), args[1].(types.Int)
	namespace, ok := args[2].(types.String)
	if !ok {
		return types.NewErr("no such overload: objects() of a namespace that is no text")
	}
	return m.list(Collection{Resource: m.c.kinds[at].Resource, Namespace: string(namespace)})
}

// A moment passes through CEL as a value that nothing can be done with.
var stateType = cel.OpaqueType("state")

// ConvertToNative implements ref.Val.
func (m *moment) ConvertToNative(reflect.Type) (any, error) { return m, nil }

// ConvertToType implements ref.Val.
func (m *moment) ConvertToType(ref.Type) ref.Val { return types.NoSuchOverloadErr() }

// Equal implements ref.Val.
func (m *moment) Equal(ref.Val) ref.Val { return types.False }

// Type implements ref.Val.
func (m *moment) Type() ref.Type { return stateType }

// Value implements ref.Val.
func (m *moment) Value() any { return m }
