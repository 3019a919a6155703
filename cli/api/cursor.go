package api

import (
	"encoding/base64"
	"encoding/json"

	"segno/proto"
)

// cursor is where the next page of a list begins. It pins the sequence of the
// first page, so that all pages show one state.
type cursor struct {
	Seq       proto.Seq `json:"s"`
	Namespace string    `json:"ns,omitempty"`
	Name      string    `json:"n"`
}

// token is the cursor as clients carry it: opaque.
func (c cursor) token() string {
	data, _ := json.Marshal(c) // strings and a number cannot fail
	return base64.RawURLEncoding.EncodeToString(data)
}

func cursorOf(token string) (cursor, error) {
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Name == "" {
		return c, badRequest("continue key is not valid: %q was not given out by this server", token)
	}
	return c, nil
}
