package commands

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// flagValues is what a flag of a type takes, in words.
var flagValues = map[string]string{
	"int": "a whole number", "int32": "a whole number", "int64": "a whole number", "uint": "a whole number, not below 0",
	"float64": "a number", "bool": "true or false", "duration": "a duration such as 90s, 10m or 2h",
}

// tellValue says what a flag takes, where it was given something else: pflag names
// the function that could not read it.
func tellValue(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err
	}
	if takes := flagValues[wrong.GetFlag().Value.Type()]; takes != "" {
		return fmt.Errorf("--%s %q: must be %s", wrong.GetFlag().Name, wrong.GetValue(), takes)
	}
	return err
}
