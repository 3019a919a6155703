package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"segno/proto"
)

// auditOptions are the flags of `segno audit`.
type auditOptions struct {
	since, until, actor, verb, kind, name, outcome, source, id, output string
	everywhere, follow                                                 bool
	limit                                                              int
}

// auditForms are how the audit is written; those of lines can follow.
var auditForms = []string{"table", "json", "yaml", "jsonl", "cloudevents"}

func newAudit(c *client, streams genericiooptions.IOStreams) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use: "audit", Short: "Show who asked for what, and what came of it",
		Long: "Show the requests that were made of the cluster, refused ones included, the newest at the end: who asked, from where, for what, what came of it, how\n" +
			"long it took, and the sequence of what it changed (see: segno events --from SEQ). Only administrators may.\n" +
			"Of refusals that repeat the first is shown, and then, as ×N, how many came after it.\n" +
			"-o jsonl and -o cloudevents export them, an event a line: the Event of audit.k8s.io/v1, or that in a CloudEvent.",
		Example: `  segno audit
  segno audit --outcome refused --since 24h
  segno audit --actor admin --verb delete --kind deployments -n shop --since 2026-11-01T00:00:00Z
  segno audit -f --kind secrets
  segno audit --since 90d --limit 0 -o jsonl > audit.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params, err := o.params(c, cmd.Flags().Changed("since"))
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if err := c.showAudit(ctx, params, o.output, streams); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "1h", "Begin at this time, duration ago or sequence; the default is an hour before now, or none with --until or --request")
	flags.StringVar(&o.until, "until", "", "End at this time, duration ago or sequence")
	flags.StringVar(&o.actor, "actor", "", "Only what this user asked: admin, node:n1, system:anonymous")
	flags.StringVar(&o.verb, "verb", "", "Only this verb: get, list, watch, create, update, patch, delete; over the bus report, register, join, publish, connect; or a question about the past: history, why …")
	flags.StringVar(&o.kind, "kind", "", "Only about objects of this kind")
	flags.StringVar(&o.name, "name", "", "Only about objects of this name")
	flags.StringVar(&o.outcome, "outcome", "", "Only what came to this: allowed; refused (401, 403, 409, 422, 429 …); missing (404: nothing of that name was there); failed (from 500, or nobody waited for the answer); or a code such as 409")
	flags.StringVar(&o.source, "source", "", "Only from this address, or who asked over the bus: user:admin, node:n1")
	flags.StringVar(&o.id, "request", "", "Only the request of this id (its Audit-Id header, and the correlation of what it changed)")
	flags.BoolVarP(&o.everywhere, "all-namespaces", "A", false, "All namespaces, whatever -n says; the default without -n")
	flags.BoolVarP(&o.follow, "follow", "f", false, "Go on with what is asked from now on")
	flags.IntVar(&o.limit, "limit", 100, "Only the newest requests, this many (at most 10000); 0 is all")
	flags.StringVarP(&o.output, "output", "o", "table", "Output format: "+strings.Join(auditForms, ", "))
	completeChoices(cmd, "output", auditForms...)
	completeChoices(cmd, "outcome", "allowed", "refused", "missing", "failed")
	return cmd
}

func (o auditOptions) params(c *client, sinceGiven bool) (url.Values, error) {
	if err := oneOf("output", o.output, auditForms...); err != nil {
		return nil, err
	}
	if o.follow && (o.output == "json" || o.output == "yaml") {
		return nil, fmt.Errorf("--output %s is one document, which never ends with --follow: take jsonl", o.output)
	}
	if o.follow && o.until != "" {
		return nil, fmt.Errorf("--follow goes on for ever: it takes no --until")
	}
	if o.limit < 0 {
		return nil, fmt.Errorf("--limit %d: must not be negative", o.limit)
	}
	if !sinceGiven && (o.until != "" || o.id != "" || c.at != "") {
		o.since = ""
	}
	var err error
	if o.since, err = exactMoment(o.since, c.now(), false); err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	if o.until, err = exactMoment(o.until, c.now(), true); err != nil {
		return nil, fmt.Errorf("--until: %w", err)
	}
	params := url.Values{
		"since": {o.since}, "until": {o.until}, "actor": {o.actor}, "verb": {o.verb}, "name": {o.name}, "outcome": {o.outcome},
		"source": {o.source}, "id": {o.id}, "limit": {strconv.Itoa(o.limit)},
	}
	if o.follow {
		params.Set("follow", "true")
	}
	if o.output == "cloudevents" {
		params.Set("format", o.output)
	}
	if o.kind != "" {
		key, err := c.object([]string{o.kind, "any"})
		if err != nil {
			return nil, err
		}
		params.Set("resource", key.Resource.Name)
		params.Set("group", key.Group)
	}
	if *c.Namespace != "" && !o.everywhere {
		params.Set("namespace", *c.Namespace)
	}
	return params, nil
}

// auditList is what -o json and -o yaml write.
type auditList struct {
	Kind       string              `json:"kind"`
	APIVersion string              `json:"apiVersion"`
	Items      []*proto.AuditEvent `json:"items"`
}

func (c *client) showAudit(ctx context.Context, params url.Values, output string, streams genericiooptions.IOStreams) error {
	out, found := streams.Out, 0
	head := sync.OnceFunc(func() {
		fmt.Fprintf(out, auditColumns+"\n", "TIME", "USER", "VERB", "OBJECT", "OUTCOME", "TOOK", "SEQ", "SOURCE", "VIA")
	})
	if output == "table" && params.Has("follow") {
		head() // before anything happens: one sees that it waits
	}
	list := auditList{Kind: "EventList", APIVersion: "audit.k8s.io/v1", Items: []*proto.AuditEvent{}}
	err := c.askLines(ctx, "audit", params, func(line []byte) error {
		found++
		if output == "jsonl" || output == "cloudevents" {
			_, err := out.Write(line)
			return err
		}
		event := &proto.AuditEvent{}
		if err := json.Unmarshal(line, event); err != nil {
			return fmt.Errorf("read a line of the audit: %w", err)
		}
		if output == "table" {
			head()
			return writeAuditLine(out, event)
		}
		list.Items = append(list.Items, event)
		return nil
	})
	if err != nil {
		return err
	}
	if found == 0 && !params.Has("follow") {
		fmt.Fprintln(streams.ErrOut, "nothing matches: no request of what was asked for, in that time and by those filters")
	}
	if output != "json" && output != "yaml" {
		return nil
	}
	return writeAs(out, output, list)
}

// auditColumns is a line of the audit; the time is as wide as timeFormat.
const auditColumns = "%-23s  %-16s %-8s %-34s %-16s %8s %-6s %-15s %s"

// auditSeveral stands for what requests that are counted together differ in.
const auditSeveral = "several"

func writeAuditLine(out io.Writer, e *proto.AuditEvent) error {
	object, _, _ := strings.Cut(e.RequestURI, "?")
	if e.ObjectRef != nil {
		object = e.ObjectRef.String()
	}
	verb := e.Verb
	if question := e.Annotations[proto.AuditQuestion]; question != "" && question != "forks" { // forks are made, listed and deleted
		verb = question
	}
	if at := e.Annotations[proto.AuditAt]; at != "" {
		object = strings.TrimPrefix(object, "/at/"+at) + " at " + at
	}
	source := strings.Join(e.SourceIPs, ",")
	if source == "" {
		source = e.Annotations[proto.AuditBus]
	}
	via := e.Annotations[proto.AuditVia]
	if via == "" {
		via, _, _ = strings.Cut(e.UserAgent, " ")
	}
	if varied := e.Annotations[proto.AuditVaried]; varied != "" {
		object = auditSeveral
		if strings.Contains(varied, "verb") {
			verb = auditSeveral
		}
	}
	line := fmt.Sprintf(auditColumns, e.StageAt.Local().Format(timeFormat), dash(e.User.Username), verb, object,
		auditOutcome(e), took(e), dash(e.Annotations[proto.AuditSequence]), dash(source), cut(via, viaWidth))
	_, err := fmt.Fprintln(out, strings.TrimRightFunc(line, unicode.IsSpace))
	return err
}

// auditOutcome is the code with its reason.
func auditOutcome(e *proto.AuditEvent) string {
	switch {
	case e.ResponseStatus == nil:
		return "begun"
	case e.Stage == proto.AuditPanic:
		return strconv.Itoa(int(e.ResponseStatus.Code)) + " Panic"
	default:
		return strings.TrimSpace(strconv.Itoa(int(e.ResponseStatus.Code)) + " " + e.ResponseStatus.Reason)
	}
}

// took is the time that a request took, to three digits or so; of many requests it
// is how many they are.
func took(e *proto.AuditEvent) string {
	if count := e.Annotations[proto.AuditCount]; count != "" {
		return "×" + count
	}
	d := e.StageAt.Sub(e.RequestReceived.Time)
	switch {
	case e.ResponseStatus == nil:
		return "-"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
