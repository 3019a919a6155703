package events

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Unmarshal reads protobuf from outside into an object of k8s.io/api. One with
// too many parts is refused with a Status (413) before anything is made of it.
func Unmarshal(data []byte, into interface{ Unmarshal(data []byte) error }) error {
	if err := crowdedProtobuf(data, into); err != nil {
		return err
	}
	return into.Unmarshal(data)
}

// crowdedProtobuf is crowded for protobuf: two bytes can become a struct of
// hundreds there.
func crowdedProtobuf(data []byte, into any) error {
	if parts(data, reflect.TypeOf(into).Elem(), maxParts) > maxParts {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the body has more than the %d messages that are allowed", maxParts))
	}
	return nil
}

// parts counts the messages in the encoding of a struct, and stops soon after most.
func parts(data []byte, of reflect.Type, most int) (n int) {
	inner := messagesOf(of)
	if len(inner) == 0 {
		return 0
	}
	eachField(data, func(number uint64, value []byte) {
		if part := inner[number]; part != nil && n <= most {
			n += 1 + parts(value, part, most-n)
		}
	})
	return n
}

// inside remembers what messagesOf has found, by reflect.Type.
var inside sync.Map

// messagesOf answers which fields of a generated struct are themselves
// messages, by their numbers, and the structs that they become.
func messagesOf(of reflect.Type) map[uint64]reflect.Type {
	if known, ok := inside.Load(of); ok {
		return known.(map[uint64]reflect.Type)
	}
	found := map[uint64]reflect.Type{}
	for i := range of.NumField() {
		field := of.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 || tag[0] != "bytes" {
			continue
		}
		part := field.Type
		for part.Kind() == reflect.Pointer || part.Kind() == reflect.Slice {
			part = part.Elem()
		}
		number, err := strconv.ParseUint(tag[1], 10, 32)
		if err == nil && part.Kind() == reflect.Struct {
			found[number] = part
		}
	}
	inside.Store(of, found)
	return found
}
