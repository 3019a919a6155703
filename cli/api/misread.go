package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// misread says in the words of JSON why a document cannot be read.
func misread(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	where := ""
	if wrong.Field != "" {
		where = "field " + wrong.Field + ": "
	}
	return fmt.Errorf("%smust be %s, and not %s", where, jsonName(wrong.Type), wrong.Value)
}

// jsonName is what JSON calls the values of a type.
func jsonName(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not below 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text in quotation marks"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}
