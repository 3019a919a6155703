package blame

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// managerOf is the manager who owns a field, of several the one who wrote last;
// "" when nobody is known to. way leads to the field.
func managerOf(obj events.Object, section proto.Section, way []*fields.Node) string {
	var best metav1.ManagedFieldsEntry
	for _, entry := range obj.GetManagedFields() {
		if entry.FieldsV1 == nil || (section == proto.SectionStatus) != (entry.Subresource == "status") && entry.Subresource != "" {
			continue
		}
		var owned map[string]any
		if json.Unmarshal(entry.FieldsV1.Raw, &owned) != nil || !owns(owned, way) {
			continue
		}
		if best.Manager == "" || best.Time != nil && entry.Time != nil && !entry.Time.Before(best.Time) {
			best = entry
		}
	}
	return best.Manager
}

// owns walks a FieldsV1 down to a field: f: is a field by its name, k: an element
// by its keys. What has nothing below it is owned as a whole.
func owns(owned map[string]any, way []*fields.Node) bool {
	for _, node := range way {
		next, ok := step(owned, node)
		if !ok {
			return false
		}
		if len(next) == 0 {
			return true
		}
		owned = next
	}
	return true
}

func step(owned map[string]any, node *fields.Node) (map[string]any, bool) {
	if node.Key != "" {
		next, ok := owned["f:"+node.Key].(map[string]any)
		return next, ok
	}
	for name, below := range owned {
		if text, ok := strings.CutPrefix(name, "k:"); ok && matches(text, node.Item) {
			next, ok := below.(map[string]any)
			return next, ok
		}
	}
	return nil, false
}

// matches tells whether an element has all keys of a k:.
func matches(text string, item map[string]any) bool {
	var keys map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&keys) != nil {
		return false
	}
	for name, value := range keys {
		if fmt.Sprint(item[name]) != fmt.Sprint(value) {
			return false
		}
	}
	return len(keys) > 0
}
