package ingress

import (
	"path"
	"strings"
)

// paths are those of one host.
type paths struct {
	exact    map[string]Target
	prefixes map[string]Target // without a slash at the end, "" for "/"
	deepest  int               // elements of the longest prefix
}

// add notes a path, unless it is there: then it answers what it leads to.
func (p *paths) add(path string, exact bool, target Target) (has Target, taken bool) {
	in := p.exact
	if !exact {
		in, path = p.prefixes, strings.TrimRight(path, "/")
		p.deepest = max(p.deepest, strings.Count(path, "/"))
	}
	if has, taken = in[path]; !taken {
		in[path] = target
	}
	return has, taken
}

// match finds the longest path that fits. An exact one is as long as can be.
// Nothing is compared that is deeper than what there is, however deep the path.
func (p *paths) match(path string) (Target, bool) {
	if p == nil {
		return Target{}, false
	}
	if target, ok := p.exact[path]; ok {
		return target, true
	}
	for prefix := first(path, p.deepest); ; prefix = prefix[:strings.LastIndexByte(prefix, '/')] {
		if target, ok := p.prefixes[prefix]; ok {
			return target, true
		}
		if prefix == "" {
			return Target{}, false
		}
	}
}

// first is a path's first elements, without a slash at the end.
func first(path string, elements int) string {
	end := 0
	for range elements {
		next := strings.IndexByte(path[min(end+1, len(path)):], '/')
		if next < 0 {
			return strings.TrimRight(path, "/")
		}
		end += next + 1
	}
	return path[:end]
}

// clean is a path as backends understand it: what goes through /public/../admin
// goes to /admin.
func clean(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	out := path.Clean(p)
	if out != "/" && strings.HasSuffix(p, "/") {
		out += "/"
	}
	return out
}
