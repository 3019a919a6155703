package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"segno/proto"
)

// historyPath is where the API answers questions about the past.
const historyPath = "/apis/history.segno/v1/"

// questions is a client for the API's questions about the past.
func (c *client) questions() (*rest.RESTClient, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	config, err := c.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.APIPath, config.GroupVersion = "/", &scheme.Scheme.PrioritizedVersionsForGroup("")[0]
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion() // knows Status: a refusal is told in its own words
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// ask reads one of the questions; the caller closes the answer.
func (c *client) ask(ctx context.Context, question string, params url.Values) (io.ReadCloser, error) {
	client, err := c.questions()
	if err != nil {
		return nil, err
	}
	request := client.Get().AbsPath(historyPath + question)
	for name, values := range params {
		for _, value := range values {
			if value != "" {
				request.Param(name, value)
			}
		}
	}
	return request.Stream(ctx)
}

// askJSON reads an answer that is one document.
func (c *client) askJSON(ctx context.Context, question string, params url.Values, into any) error {
	body, err := c.ask(ctx, question, params)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("read the answer about %s: %w", question, err)
	}
	return nil
}

// postJSON asks for something to be done; question and answer are a document each.
func (c *client) postJSON(ctx context.Context, question string, asked, into any) error {
	client, err := c.questions()
	if err != nil {
		return err
	}
	data, err := json.Marshal(asked)
	if err != nil {
		return fmt.Errorf("ask to %s: %w", question, err)
	}
	result := client.Post().AbsPath(historyPath+question).SetHeader("Content-Type", "application/json").Body(data).Do(ctx)
	if err := result.Error(); err != nil { // in the words of its Status, which Raw does not read
		return err
	}
	answer, err := result.Raw()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer about %s: %w", question, err)
	}
	return nil
}

// askLines reads an answer that is one document a line, until it ends.
func (c *client) askLines(ctx context.Context, question string, params url.Values, each func(line []byte) error) error {
	body, err := c.ask(ctx, question, params)
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(body, question, each)
}

// watchLines is askLines for a person who ends it when he has seen enough: that
// is no error, but then the answer is not whole. opened is called once there is one.
func (c *client) watchLines(ctx context.Context, question string, params url.Values, opened func(), each func(line []byte) error) (whole bool, err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	body, err := c.ask(ctx, question, params)
	if err == nil {
		defer body.Close()
		opened()
		err = readLines(body, question, each)
	}
	if ctx.Err() != nil {
		return false, nil
	}
	return err == nil, err
}

func readLines(body io.Reader, question string, each func(line []byte) error) error {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := each(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the answer about %s was cut short: %w", question, err)
		}
	}
}

// object reads "deployment/web" or "deployment web", as kubectl writes it, and
// answers its key. The object need not exist any more.
func (c *client) object(args []string) (proto.ObjectKey, error) {
	var kind, name string
	switch {
	case len(args) == 1 && strings.Count(args[0], "/") == 1:
		kind, name, _ = strings.Cut(args[0], "/")
	case len(args) == 2:
		kind, name = args[0], args[1]
	}
	if kind == "" || name == "" {
		return proto.ObjectKey{}, errors.New("which object? Name it as in deployment/web, or: deployment web")
	}
	mapper, err := c.ToRESTMapper()
	if err != nil {
		return proto.ObjectKey{}, err
	}
	versioned, group := schema.ParseResourceArg(strings.ToLower(kind))
	if versioned == nil {
		versioned = &schema.GroupVersionResource{Group: group.Group, Resource: group.Resource}
	}
	found, err := mapper.ResourceFor(*versioned)
	if meta.IsNoMatchError(err) {
		found, err = mapper.ResourceFor(group.WithVersion(""))
	}
	if meta.IsNoMatchError(err) {
		return proto.ObjectKey{}, fmt.Errorf("the server doesn't have a resource type %q; those it has: segno api-resources", kind)
	}
	if err != nil {
		return proto.ObjectKey{}, err
	}
	gvk, err := mapper.KindFor(found)
	if err != nil {
		return proto.ObjectKey{}, err
	}
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return proto.ObjectKey{}, err
	}
	key := proto.Resource{Group: found.Group, Name: found.Resource}.Key("", name)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		key.Namespace, _, err = c.ToRawKubeConfigLoader().Namespace()
	}
	return key, err
}

// paramsOf names an object in a question.
func paramsOf(key proto.ObjectKey) url.Values {
	return url.Values{"group": {key.Group}, "resource": {key.Resource.Name}, "namespace": {key.Namespace}, "name": {key.Name}}
}
