package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// question reads a JSON body. What it says and nobody understands is refused: it
// might have been a limit to what is done.
func (c *call) question(into any) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = errors.New("more than one document")
	}
	if err != nil {
		return badRequest("the body is no question about %s: %s", c.target.Resource, misread(err))
	}
	return nil
}
