package history

import (
	"time"

	"segno/proto"
)

// Fork is a cluster of its own that goes on from a moment of this one's past.
type Fork struct {
	Name    string    `json:"name"`
	At      proto.Seq `json:"at"`      // the transaction that it goes on from
	Begun   time.Time `json:"begun"`   // the moment: when its clock began
	Now     time.Time `json:"now"`     // what its clock shows
	Virtual bool      `json:"virtual"` // its clock stands still until it is advanced
	Made    time.Time `json:"made"`
	Seq     proto.Seq `json:"seq"` // its newest transaction
	Nodes   int       `json:"nodes"`
	Path    string    `json:"path"` // of its API, on this server
	// Trouble is why its clock stands still though it should not.
	Trouble string `json:"trouble,omitempty"`
	// User may ask the fork, and nothing else. Its certificate and key, as PEM, are
	// shown once, to who made the fork.
	User        string `json:"user"`
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
}

// Forks lists them by name.
type Forks struct {
	Forks []Fork `json:"forks"`
	Most  int    `json:"most"` // how many there can be
}

// ForkRequest asks for a fork: of the moment that the path names, or now.
type ForkRequest struct {
	Name    string `json:"name"`
	Virtual bool   `json:"virtual,omitempty"`
}

// AdvanceRequest asks that time passes in a fork.
type AdvanceRequest struct {
	Name string `json:"name"`
	By   string `json:"by"` // "10m"
}
