package bus

import "encoding/binary"

// A tunnel's messages are frames: a byte that says what it is, four bytes that
// number the frames of one direction, and the rest.
const (
	frameOpen   byte = iota + 1 // the connection is accepted
	frameData                   // bytes
	frameCredit                 // four bytes: so many bytes were read, as many more may be sent
	frameFin                    // no more bytes from here
	frameClose                  // nor are any read here
	framePing                   // sent as a request: the server tells when nobody hears it
	frameReset                  // the connection is broken; the rest says why
)

const frameHead = 5

func putFrame(buf []byte, kind byte, number uint32, body []byte) []byte {
	buf = append(buf[:0], kind)
	buf = binary.BigEndian.AppendUint32(buf, number)
	return append(buf, body...)
}

func getFrame(data []byte) (kind byte, number uint32, body []byte, ok bool) {
	if len(data) < frameHead {
		return 0, 0, nil, false
	}
	return data[0], binary.BigEndian.Uint32(data[1:]), data[frameHead:], true
}
