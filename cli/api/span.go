package api

import (
	"segno/events"
	"segno/proto"
)

// orderly refuses a span that cannot be answered: one that ends before it begins,
// or before the log does, or a bound that has not happened yet. Who follows may
// begin with what happens next. begins and ends name the parameters.
func (c *call) orderly(kind *events.Kind, begins, ends string, follow bool) error {
	query := c.r.URL.Query()
	begin, err := c.boundOf(query.Get(begins))
	if err != nil {
		return err
	}
	end, err := c.boundOf(query.Get(ends))
	if err != nil {
		return err
	}
	if begin.Seq > 0 && end.Seq > 0 && begin.Seq > end.Seq || !begin.Time.IsZero() && !end.Time.IsZero() && begin.Time.After(end.Time) {
		return exchange(begins, query.Get(begins), ends, query.Get(ends))
	}
	last := c.api.cfg.Store.View(kind).Seq()
	for _, bound := range []Moment{begin, end} {
		if bound.Seq > last && !(follow && bound == begin && bound.Seq == last+1) {
			return badRequest("moment %s has not happened yet: the log ends at %s", bound.Seq, last)
		}
	}
	if at, ok := c.logBegins(); ok && !end.Time.IsZero() && end.Time.Before(at) {
		return c.beforeLog(query.Get(ends))
	}
	return nil
}

// boundOf reads a bound of a span, "" as none; a sequence of 0 is the log's
// beginning.
func (c *call) boundOf(text string) (Moment, error) {
	if seq, err := proto.ParseSeq(text); text == "" || err == nil {
		return Moment{Seq: seq}, nil
	}
	return ParseMoment(text, c.api.cfg.Now())
}

// inOrder refuses a span that ends before it begins. A time of which nothing is
// recorded is in order: its beginning is the transaction after its end.
func inOrder(begins, begin string, from proto.Seq, ends, end string, to proto.Seq) error {
	if begin == "" || end == "" || from <= to || from == to+1 && !bothSequences(begin, end) {
		return nil
	}
	return exchange(begins, begin, ends, end)
}

func exchange(begins, begin, ends, end string) error {
	return badRequest("%s %s lies behind %s %s: exchange them", begins, begin, ends, end)
}

func bothSequences(a, b string) bool {
	_, err := proto.ParseSeq(a)
	_, err2 := proto.ParseSeq(b)
	return err == nil && err2 == nil
}
