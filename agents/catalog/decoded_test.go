package catalog

import (
	"testing"

	"segno/proto"
)

// TestS10CatalogsOfOneProcessHaveObjectsInCommon, whichever of them hears of a
// version first, and each has the version that it was told of.
func TestS10CatalogsOfOneProcessHaveObjectsInCommon(t *testing.T) {
	known := &Decoded{}
	a, b, alone := &Catalog{Decoded: known}, &Catalog{Decoded: known}, &Catalog{}
	apply := func(c *Catalog, objects ...proto.WantPod) {
		t.Helper()
		for i := range objects {
			if err := c.Apply(&objects[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, fresh := service(t, web, "10.96.0.1"), service(t, web, "10.96.0.2")
	same := func(x, y *Catalog) bool {
		of, _ := x.Get(web)
		and, _ := y.Get(web)
		return of.Service == and.Service
	}
	apply(a, old, slice(t, "web-1", web))
	apply(alone, old)
	if err := b.Replace([]proto.WantPod{old, slice(t, "web-1", web)}); err != nil {
		t.Fatal(err)
	}
	if !same(a, b) || same(a, alone) {
		t.Error("two catalogs that were told the same have a copy each")
	}
	apply(a, fresh)
	if show(a) != "web 10.96.0.2 web-1" || show(b) != "web 10.96.0.1 web-1" {
		t.Errorf("one was told of another version: %s; %s", show(a), show(b))
	}
	apply(b, old) // late, and the shared copy is newer
	if show(b) != "web 10.96.0.1 web-1" || show(a) != "web 10.96.0.2 web-1" {
		t.Errorf("one was told of the older version again: %s; %s", show(a), show(b))
	}
	apply(a, fresh)
	apply(b, fresh)
	if !same(a, b) {
		t.Error("both were told of the newer version, and have a copy each")
	}
	apply(a, gone(fresh), gone(slice(t, "web-1", web)))
	if show(a) != "" || show(b) != "web 10.96.0.2 web-1" || len(known.objects) != 0 {
		t.Errorf("after one heard of the end: %q, %q, %d known", show(a), show(b), len(known.objects))
	}
}
