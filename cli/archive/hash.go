package archive

import (
	"encoding/hex"
	"fmt"

	"segno/proto"
)

func parseHash(text string) (h proto.Hash, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(h) {
		return h, fmt.Errorf("hash %q: %w", text, ErrDamaged)
	}
	copy(h[:], data)
	return h, nil
}
