package commands

import (
	"errors"
	"net/url"

	"github.com/spf13/cobra"

	"segno/proto"
)

// scopeFlags say which objects a question about many means.
type scopeFlags struct {
	kind       string
	everywhere bool
}

func (f *scopeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.everywhere, "all-namespaces", "A", false, "Everything there is: all namespaces, and what is in none")
	flags.BoolVar(&f.everywhere, "all", false, "The same as --all-namespaces")
	flags.StringVar(&f.kind, "kind", "", "Only objects of this kind")
	_ = flags.MarkHidden("all") // it exists: it was added above
}

// scope reads whose past is meant: of one object, which it then answers too, of a
// kind, of a namespace, or of everything.
func (c *client) scope(args []string, f scopeFlags) (params url.Values, one *proto.ObjectKey, err error) {
	if len(args) > 0 {
		if f.everywhere || f.kind != "" {
			return nil, nil, errors.New("one object, or many? Name an object, or say -A, -n or --kind")
		}
		key, err := c.object(args)
		if err != nil {
			return nil, nil, err
		}
		return paramsOf(key), &key, nil
	}
	params = url.Values{}
	if f.kind != "" {
		key, err := c.object([]string{f.kind, "any"})
		if err != nil {
			return nil, nil, err
		}
		params.Set("resource", key.Resource.Name)
		params.Set("group", key.Group)
		if key.Namespace != "" && !f.everywhere {
			params.Set("namespace", key.Namespace)
		}
		return params, nil, nil
	}
	if !f.everywhere {
		namespace, _, err := c.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			return nil, nil, err
		}
		params.Set("namespace", namespace)
	}
	return params, nil, nil
}
