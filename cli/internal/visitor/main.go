// Command visitor is what tests run in pods and on machines: a server that says
// whom it sees, and who asks it.
//
// What comes in: a verb and its arguments. What goes out: a line for everything
// that was asked, be it an answer or what went wrong. What never happens here: a
// second try, or an end without a word.
//
// All of it is in this file.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	usage = `usage:
  visitor serve NAME PORT           says "NAME sees ADDRESS" to who comes to the port, by TCP and UDP
  visitor ask tcp|udp HOST:PORT…    says what it hears at each
  visitor watch 5s HOST:PORT…       says what it hears first at any of them, by TCP; it asks all the time
  visitor find host|srv NAME…       says what the machine's resolver finds for each
  visitor get page URL…             says what web servers have there, in one line each`

	// patience is more than a lost packet takes to be sent again.
	patience = 3 * time.Second
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	verb, rest := os.Args[1], os.Args[3:]
	switch verb {
	case "serve":
		fmt.Fprintln(os.Stderr, serve(os.Args[2], rest[0]))
		os.Exit(1)
	case "ask":
		each(rest, func(at string) (string, error) { return ask(os.Args[2], at) })
	case "watch":
		each([]string{os.Args[2]}, func(long string) (string, error) { return watch(long, rest) })
	case "find":
		each(rest, func(name string) (string, error) { return find(os.Args[2], name) })
	case "get":
		each(rest, page)
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

// each asks all at the same time: one that does not answer takes no more than its own.
func each(all []string, answer func(string) (string, error)) {
	said := make([]string, len(all))
	var asking sync.WaitGroup
	for i, one := range all {
		asking.Go(func() {
			var err error
			if said[i], err = answer(one); err != nil {
				said[i] = "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
			}
		})
	}
	asking.Wait()
	fmt.Println(strings.Join(said, "\n"))
}

func serve(name, port string) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 64)
		for {
			if _, from, err := packets.ReadFrom(buffer); err == nil {
				_, _ = packets.WriteTo([]byte(sees(name, from)), from) // who asked asks again
			}
		}
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(conn, sees(name, conn.RemoteAddr())) // it may have gone
		_ = conn.Close()
	}
}

func sees(name string, from net.Addr) string {
	host, _, _ := net.SplitHostPort(from.String())
	return name + " sees " + strings.TrimPrefix(host, "::ffff:")
}

func ask(network, at string) (string, error) {
	conn, err := net.DialTimeout(network, at, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if network == "tcp" {
		said, err := io.ReadAll(conn)
		return string(said), err
	}
	if _, err := io.WriteString(conn, "?"); err != nil {
		return "", err
	}
	said := make([]byte, 512)
	n, err := conn.Read(said)
	return string(said[:n]), err
}

// watch asks over and over; who does not answer at once is asked again.
func watch(long string, places []string) (string, error) {
	const pause = 20 * time.Millisecond
	limit, err := time.ParseDuration(long)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	heard := make(chan string, len(places))
	for _, at := range places {
		go func() {
			for ctx.Err() == nil {
				if conn, err := net.DialTimeout("tcp", at, 5*pause); err == nil {
					said, _ := io.ReadAll(conn) // that it was let in is what counts
					heard <- string(said)
					return
				}
				time.Sleep(pause)
			}
		}()
	}
	select {
	case said := <-heard:
		return said, nil
	case <-ctx.Done():
		return "", fmt.Errorf("nothing within %s", limit)
	}
}

func find(what, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if what == "host" {
		found, err := net.DefaultResolver.LookupHost(ctx, name)
		slices.Sort(found)
		return strings.Join(found, " "), err
	}
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	var found []string
	for _, record := range records {
		found = append(found, fmt.Sprintf("%s:%d", record.Target, record.Port))
	}
	slices.Sort(found)
	return strings.Join(found, " "), err
}

func page(url string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return strings.Join(strings.Fields(string(body)), " "), err
}
