package history

import (
	"segno/events/explain"
	"segno/proto"
)

// Answered shows what explain found out: in words, and as the tree of causes
// down to what makes it so.
func Answered(object proto.Object, question explain.Question, found *explain.Answer, lookup func(proto.Seq) (*proto.Envelope, error)) (Why, error) {
	why := Why{Object: object, Roots: []*Node{}, Answer: &Answer{Question: string(question), Applies: found.Applies, Says: found.Says}}
	for _, hint := range found.Hints {
		why.Answer.Hints = append(why.Answer.Hints, Hint(hint))
	}
	if len(found.Ends) == 0 {
		return why, nil
	}
	own := make([]*proto.Envelope, len(found.Ends))
	for i, end := range found.Ends {
		own[i] = end.Transaction
	}
	tree := newChain(lookup)
	tree.links = found.Links
	roots, err := tree.build(proto.StreamEvents, own)
	if err != nil {
		return why, err
	}
	for _, end := range found.Ends {
		tree.known[end.Transaction.Seq].Says = end.Says
	}
	why.Roots = roots
	return why, nil
}
