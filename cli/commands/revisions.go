package commands

import (
	"context"
	"fmt"
	"maps"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/proto"
)

// pageRevisions is how many revisions one question asks for: the server decodes
// and compares each of them.
const pageRevisions = 500

// revisions reads the newest revisions of an object, a page at a time, until
// there are limit of them (0 is all), or they are enough. chosen are parameters
// that choose among them; nil is all.
func (c *client) revisions(ctx context.Context, key proto.ObjectKey, chosen url.Values, limit int, enough func([]history.Revision) bool) (history.List, error) {
	var all history.List
	params := paramsOf(key)
	maps.Copy(params, chosen)
	for {
		page := pageRevisions
		if limit > 0 {
			page = min(page, limit-len(all.Revisions))
		}
		params.Set("limit", fmt.Sprint(page))
		var older history.List
		err := c.askJSON(ctx, "history", params, &older)
		if apierrors.IsNotFound(err) && params.Has("before") {
			all.More, all.Next = false, 0 // the rest has left the log meanwhile
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all.Object, all.More, all.Next, all.Revisions = older.Object, older.More, older.Next, append(older.Revisions, all.Revisions...)
		all.Earlier = older.Earlier
		if enough(all.Revisions) || !all.More || len(all.Revisions) == limit {
			return all, nil
		}
		params.Set("before", older.Next.String())
	}
}
