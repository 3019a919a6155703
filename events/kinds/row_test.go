package kinds_test

import (
	"testing"
)

// TestP2Rows: the lines that kubectl prints, wide columns included; the first
// line is the header, where (…) marks what only -o wide shows.
func TestP2Rows(t *testing.T) {
	golden(t, "row_*.txtar", "rows", func(t *testing.T, files map[string][]byte) string {
		var rows [][]any
		for i, doc := range documents(t, files["yaml"]) {
			kind, obj := load(t, doc)
			if i == 0 {
				var header []any
				for _, column := range kind.Columns {
					name := column.Name
					if column.Priority > 0 {
						name = "(" + name + ")"
					}
					header = append(header, name)
				}
				rows = append(rows, header)
			}
			row := kind.Row(obj, now)
			if len(row) != len(kind.Columns) {
				t.Errorf("%d cells in %d columns", len(row), len(kind.Columns))
			}
			rows = append(rows, row)
		}
		return lines(rows)
	})
}
