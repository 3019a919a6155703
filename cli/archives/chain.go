package archives

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"segno/cli/archive"
	"segno/proto"
)

// Proof is which files hold a log.
type Proof struct {
	Files []File // oldest first, each read to its end
	// Others are names of files that nothing is read from: each with why.
	Others []string
}

// ErrIncomplete says that files of the log are missing or damaged.
var ErrIncomplete = errors.New("the log's archives are not complete")

// incomplete is ErrIncomplete in words for a person.
type incomplete struct{ text string }

func (e incomplete) Error() string        { return e.text }
func (e incomplete) Is(target error) bool { return target == ErrIncomplete }

// Prove finds the files that hold the log up to end, and reads each to its end.
// progress is told up to where that is done, from the end to the beginning.
func (a *Archives) Prove(ctx context.Context, end proto.Position, progress func(left proto.Seq)) (Proof, error) {
	store, err := a.open()
	if err != nil {
		return Proof{}, fmt.Errorf("prove the archives in %s: %w", a.cfg.Place, err)
	}
	defer store.Close()
	return a.chain(ctx, store, end, progress)
}

// chain goes back from end: the file that ends there says with which transaction
// the one before it ends.
func (a *Archives) chain(ctx context.Context, store Store, end proto.Position, progress func(left proto.Seq)) (Proof, error) {
	files, err := list(ctx, store)
	if err != nil {
		return Proof{}, fmt.Errorf("list the archives in %s: %w", a.cfg.Place, err)
	}
	s := search{place: a.cfg.Place, store: store, files: files, others: map[string]string{}}
	for _, f := range files {
		if f.Err != nil {
			s.others[f.Name] = f.Err.Error()
		}
	}
	var out Proof
	hash := ""
	if !end.Hash.IsZero() {
		hash = end.Hash.String()
	}
	for at := end.Seq; at > 0; {
		file, err := s.find(ctx, at, hash)
		if err != nil {
			return Proof{}, err
		}
		out.Files = append(out.Files, file)
		at, hash = file.From-1, file.Before
		progress(at)
	}
	slices.Reverse(out.Files)
	s.beside(out.Files, end.Seq)
	out.Others = s.said()
	return out, nil
}

// search is one way back.
type search struct {
	place  string
	store  Store
	files  []File
	others map[string]string // why, by name
}

// find answers the file that ends with a transaction; any hash does when it is "".
func (s *search) find(ctx context.Context, at proto.Seq, hash string) (File, error) {
	found, err := s.whole(ctx, at, hash)
	if err != nil {
		return File{}, err
	}
	if len(found) == 0 {
		return File{}, s.missing(at)
	}
	for _, f := range found[1:] {
		if f.Hash != found[0].Hash {
			return File{}, incomplete{fmt.Sprintf("%s and %s in %s hold two histories up to transaction %s, and nothing tells which is this log's: move the other one's files away",
				found[0].Name, f.Name, s.place, at)}
		}
		s.others[f.Name] = "what it holds is read from " + found[0].Name
	}
	return found[0], nil
}

// whole are the files that end there and are what they say.
func (s *search) whole(ctx context.Context, at proto.Seq, hash string) (found []File, err error) {
	for _, f := range s.files {
		if f.Err != nil || f.To != at {
			continue
		}
		if hash != "" && f.Hash != "" && f.Hash != hash {
			s.others[f.Name] = notOurs
			continue
		}
		err := f.prove(ctx, s.store)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			s.others[f.Name] = err.Error()
		case hash != "" && f.Hash != hash:
			s.others[f.Name] = notOurs
		default:
			found = append(found, f)
		}
	}
	return found, nil
}

// missing says which file is needed, and what was found in its stead.
func (s *search) missing(at proto.Seq) error {
	text := fmt.Sprintf("transactions up to %s were archived, and the file that ends with %s is not in %s: put %s-…-%020d%s back",
		at, at, s.place, proto.StreamEvents, at, archive.Suffix)
	if said := s.said(); len(said) > 0 {
		text += ". What lies there is of no use: " + strings.Join(said, "; ")
	}
	return incomplete{text}
}

// beside notes the files that the way back did not come by.
func (s *search) beside(chain []File, end proto.Seq) {
	for _, f := range s.files {
		used := slices.ContainsFunc(chain, func(c File) bool { return c.Name == f.Name })
		if _, said := s.others[f.Name]; !used && !said && f.To <= end {
			s.others[f.Name] = notOurs
		}
	}
}

func (s *search) said() []string {
	var out []string
	for name, why := range s.others {
		out = append(out, fmt.Sprintf("%s (%s)", name, why))
	}
	slices.Sort(out)
	return out
}

const notOurs = "of another history"
