package api

import (
	"mime"
	"net/http"
	"sort"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// format is how an answer is written.
type format int

const (
	formatJSON format = iota
	formatYAML
	formatProtobuf
)

// Content types of answers.
const (
	typeJSON     = "application/json"
	typeYAML     = "application/yaml"
	typeProtobuf = "application/vnd.kubernetes.protobuf"
)

// The other shapes in which objects can be asked for.
const (
	asTable       = "Table"
	asPartial     = "PartialObjectMetadata"
	asPartialList = "PartialObjectMetadataList"
)

// accept is what the client wants to read: the first clause of its Accept
// header that this server can serve.
type accept struct {
	format format
	as     string // "", asTable, asPartial or asPartialList
	gv     schema.GroupVersion
	pretty bool
}

// mediaType is the Content-Type of an answer in this form.
func (a accept) mediaType() string {
	name := typeJSON
	switch a.format {
	case formatJSON:
	case formatYAML:
		name = typeYAML
	case formatProtobuf:
		name = typeProtobuf
	}
	if a.as == "" {
		return name
	}
	return name + ";as=" + a.as + ";v=" + a.gv.Version + ";g=" + a.gv.Group
}

// clause is one element of an Accept header.
type clause struct {
	media   string
	params  map[string]string
	quality float64
}

func clausesOf(header string) []clause {
	var out []clause
	for _, part := range strings.Split(header, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		c := clause{media: media, params: params, quality: 1}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			c.quality = q
		}
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].quality > out[j].quality })
	return out
}

// acceptOf negotiates. The shapes in shapes may be asked for with as=.
func acceptOf(r *http.Request, shapes ...string) (accept, error) {
	pretty := prettyFor(r)
	header := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return accept{pretty: pretty}, nil
	}
	for _, c := range clausesOf(header) {
		f, ok := formatOf(c.media)
		if !ok {
			continue
		}
		a := accept{format: f, pretty: pretty, as: c.params["as"]}
		if a.as == "" {
			return a, nil
		}
		a.gv = schema.GroupVersion{Group: c.params["g"], Version: c.params["v"]}
		if shapeServed(a, shapes) {
			return a, nil
		}
	}
	return accept{pretty: pretty}, notAcceptable()
}

func formatOf(media string) (format, bool) {
	switch media {
	case typeJSON, "*/*", "application/*":
		return formatJSON, true
	case typeYAML, "application/x-yaml", "text/yaml":
		return formatYAML, true
	case typeProtobuf:
		return formatProtobuf, true
	}
	return 0, false
}

func shapeServed(a accept, shapes []string) bool {
	if a.gv.Group != metav1.GroupName || (a.gv.Version != "v1" && a.gv.Version != "v1beta1") {
		return false
	}
	for _, shape := range shapes {
		if a.as == shape {
			return a.format != formatProtobuf || a.as != asTable
		}
	}
	return false
}

func notAcceptable() error {
	text := "only the following media types are accepted: " + strings.Join([]string{typeJSON, typeYAML, typeProtobuf}, ", ")
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable,
		Reason: metav1.StatusReasonNotAcceptable, Message: text,
	}}
}

// prettyFor indents for people: on request, and for browsers and curl.
func prettyFor(r *http.Request) bool {
	if asked, ok := r.URL.Query()["pretty"]; ok {
		return len(asked) > 0 && flag(asked[0])
	}
	agent := r.UserAgent()
	return strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") || strings.HasPrefix(agent, "Mozilla/5.0")
}
