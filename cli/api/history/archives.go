package history

import (
	"time"

	"segno/proto"
)

// Archives are the epochs of the log that lie in files: their streams were
// dropped.
type Archives struct {
	Folder string `json:"folder"` // on the machine of the control plane; or the URL of a bucket
	// Keep is how old an epoch becomes before it is archived; "" is for ever.
	Keep     string    `json:"keep,omitempty"`
	Archives []Archive `json:"archives"`
}

// Archive is one of them.
type Archive struct {
	File  string    `json:"file"`
	First proto.Seq `json:"first"`
	Last  proto.Seq `json:"last"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Bytes int64     `json:"bytes"`
	// Problem says why the file is none of this log, or cannot be read; such files are
	// left alone.
	Problem string `json:"problem,omitempty"`
}
