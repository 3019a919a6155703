package events

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901); an empty one is the whole document.
type pointer []string

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return pointer{}, nil
	}
	if text[0] != '/' {
		return nil, fmt.Errorf("path %q must begin with /", text)
	}
	p := pointer(strings.Split(text[1:], "/"))
	for i := range p {
		p[i] = unescape.Replace(p[i])
	}
	return p, nil
}

// String is the pointer for messages.
func (p pointer) String() string { return "/" + strings.Join(p, "/") }

var errMissing = errors.New("there is nothing at this path")

func (p pointer) get(doc any) (any, error) {
	for _, token := range p {
		switch node := doc.(type) {
		case map[string]any:
			child, ok := node[token]
			if !ok {
				return nil, errMissing
			}
			doc = child
		case []any:
			i, err := index(token, len(node)-1)
			if err != nil {
				return nil, err
			}
			doc = node[i]
		default:
			return nil, errMissing
		}
	}
	return doc, nil
}

// put sets a value. With add, a list grows at the place and a new member may
// appear; without, something must be there.
func (p pointer) put(doc, value any, add bool) (any, error) {
	if len(p) == 0 {
		return value, nil
	}
	return p.edit(doc, func(parent any, token string) (any, error) {
		switch node := parent.(type) {
		case map[string]any:
			if _, ok := node[token]; !ok && !add {
				return nil, errMissing
			}
			node[token] = value
			return node, nil
		case []any:
			if add && token == "-" {
				return append(node, value), nil
			}
			last := len(node) - 1
			if add {
				last++
			}
			i, err := index(token, last)
			switch {
			case err != nil:
				return nil, err
			case add:
				return slices.Insert(node, i, value), nil
			}
			node[i] = value
			return node, nil
		default:
			return nil, errMissing
		}
	})
}

func (p pointer) remove(doc any) (any, error) {
	if len(p) == 0 {
		return nil, errors.New("the whole document cannot be removed")
	}
	return p.edit(doc, func(parent any, token string) (any, error) {
		switch node := parent.(type) {
		case map[string]any:
			if _, ok := node[token]; !ok {
				return nil, errMissing
			}
			delete(node, token)
			return node, nil
		case []any:
			i, err := index(token, len(node)-1)
			if err != nil {
				return nil, err
			}
			return slices.Delete(node, i, i+1), nil
		default:
			return nil, errMissing
		}
	})
}

// edit changes the last step's parent and hands the changed lists back up.
func (p pointer) edit(node any, leaf func(parent any, token string) (any, error)) (any, error) {
	if len(p) == 1 {
		return leaf(node, p[0])
	}
	child, err := p[:1].get(node)
	if err != nil {
		return nil, err
	}
	if child, err = p[1:].edit(child, leaf); err != nil {
		return nil, err
	}
	return p[:1].put(node, child, false)
}

// index reads a place in a list, 0 to last.
func index(token string, last int) (int, error) {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || strconv.Itoa(i) != token {
		return 0, fmt.Errorf("%q is not a place in a list", token)
	}
	if i > last {
		return 0, fmt.Errorf("place %d is behind the end of the list", i)
	}
	return i, nil
}
