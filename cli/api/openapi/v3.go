package openapi

import "k8s.io/apimachinery/pkg/runtime/schema"

// documentV3 is the document of one group and version.
func documentV3(g *group, version string) node {
	m := newModels(dialectV3)
	paths := node{}
	m.paths(g, paths)
	m.common([]schema.GroupVersion{g.gv})
	return node{"openapi": "3.0.0", "info": info(version), "paths": paths, "components": node{"schemas": m.out}}
}
