package upgrade

import (
	"fmt"
	"os"

	"segno/cli/archive"
	"segno/proto"
)

// describe says of the differences when their transactions were, and what those
// were about where a program did not say.
func describe(path string, found []Difference) (err error) {
	if len(found) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the history again: %w", err)
		}
	}()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in, err := archive.NewReader(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Next(); err != nil {
		return err
	}
	for _, err := range in.Records() {
		if err != nil {
			return err
		}
	}
	of := map[proto.Seq][]*Difference{}
	for i := range found {
		of[found[i].Seq] = append(of[found[i].Seq], &found[i])
	}
	for entry, err := range in.Entries() {
		if err != nil {
			return err
		}
		for _, d := range of[entry.Envelope.Seq] {
			d.describe(entry.Envelope)
		}
	}
	return nil
}

// describe takes over what the transaction says.
func (d *Difference) describe(env *proto.Envelope) {
	d.Time = env.At
	if d.Object == "" {
		d.Object = about(env)
	}
	for _, finding := range []*Finding{d.Running, d.New} {
		if finding == nil {
			continue
		}
		if finding.Object == "" {
			finding.Object = d.Object
		}
		if finding.Time.IsZero() {
			finding.Time = env.At
		}
	}
}

// about names the object of a transaction, the first of several.
func about(env *proto.Envelope) string {
	var names []string
	for i := range env.Events {
		if name := env.Events[i].Key.String(); len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	}
}
