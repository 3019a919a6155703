//go:build host

package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// What a pod does beside listening and dialing:
//
//	sink ADDRESS        answers how many bytes came by TCP, at their end
//	bulk ADDRESS        sends 4 MiB to one, and says what it answered
//	echo ADDRESS        answers UDP, and says from whom it came
//	ask ADDRESS SIZE    sends one packet of this size to one
//	try ADDRESS         dials TCP, and says what it was told, or nothing
//	flood ADDRESS       asks one again and again, until
//	flow ADDRESS        the same, once it was answered
//	flood-end           says how many answers lacked

var flooding struct {
	stop chan struct{}
	said chan string
}

func playMore(verb, rest string) string {
	switch verb {
	case "sink":
		l, err := net.Listen("tcp", rest)
		if err != nil {
			return err.Error()
		}
		go sink(l)
	case "echo":
		conn, err := net.ListenPacket("udp", rest)
		if err != nil {
			return err.Error()
		}
		go echo(conn)
	case "bulk":
		return bulk(rest)
	case "try":
		return try(rest)
	case "ask":
		address, size, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(size)
		return ask(address, n)
	case "flood", "flow":
		flooding.stop, flooding.said = make(chan struct{}), make(chan string, 1)
		conn, err := net.Dial("udp", rest)
		if err != nil {
			return err.Error()
		}
		if verb == "flow" {
			for answer := make([]byte, 100); ; {
				_, _ = conn.Write([]byte("x"))
				_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := conn.Read(answer); err == nil {
					break
				}
			}
		}
		go flood(conn)
	case "flood-end":
		close(flooding.stop)
		return <-flooding.said
	}
	return "ok"
}

func sink(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, conn)
		fmt.Fprint(conn, n)
		_ = conn.Close()
	}
}

func echo(conn net.PacketConn) {
	packet := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return
		}
		answer := fmt.Sprintf("from %s %d", from.(*net.UDPAddr).IP, n)
		if n > len(answer) { // as large as what came
			answer += strings.Repeat(" ", n-len(answer))
		}
		_, _ = conn.WriteTo([]byte(answer), from)
	}
}

func bulk(address string) string {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(make([]byte, 4<<20)); err != nil {
		return err.Error()
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	said, err := io.ReadAll(conn)
	if err != nil {
		return err.Error()
	}
	return string(said)
}

func try(address string) string {
	conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return "nothing"
	}
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	said, _ := io.ReadAll(conn)
	return string(said)
}

func ask(address string, size int) string {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	answer := make([]byte, 65536)
	for range 10 { // a first packet may find a path with a smaller MTU
		_, _ = conn.Write(make([]byte, size))
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := conn.Read(answer)
		if err == nil {
			return strings.TrimSpace(string(answer[:n]))
		}
	}
	return "no answer"
}

func flood(conn net.Conn) {
	sent, lost := 0, 0
	answer := make([]byte, 100)
	for {
		select {
		case <-flooding.stop:
			flooding.said <- fmt.Sprintf("%d lost, enough sent: %t", lost, sent > 20)
			return
		default:
		}
		sent++
		_, _ = conn.Write([]byte("x"))
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(answer); err != nil {
			lost++
		}
	}
}
