package reconcilers

import "segno/events/report"

// kubelet is what the world's tools call the agent of a node.
const kubelet = "kubelet"

// NodeNotes are notes that a node says about its own.
func NodeNotes(node string, said []report.Note) []Note {
	notes := make([]Note, 0, len(said))
	for i := range said {
		n := &said[i]
		notes = append(notes, Note{
			About: n.About, Warning: n.Warning, Reason: n.Reason, Message: n.Message, Count: n.Count,
			From: kubelet, Host: node, Similar: n.Similar, First: n.First, Last: n.Last,
		})
	}
	return notes
}
