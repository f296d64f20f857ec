package redis

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// A Rule says what a [Server.Proxy] does with a command: forward it if refused is
// false, else answer with an error reply, or close the connection if reply is "".
type Rule func(command []string) (reply string, refused bool)

// Proxy starts a proxy in front of the server, like those of cloud vendors, and
// returns its URL. The first rule that refuses a command decides.
func (s *Server) Proxy(rules ...Rule) (url string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	var running sync.WaitGroup
	var open sync.Map // connections of clients
	s.t.Cleanup(func() {
		_ = listener.Close()
		open.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Store(client, true)
			running.Go(func() { s.forward(client, rules) })
		}
	})
	return "redis://" + listener.Addr().String()
}

// forward handles the commands of one connection, one after the other, until it
// is closed.
func (s *Server) forward(client net.Conn, rules []Rule) {
	defer client.Close()
	server, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return
	}
	defer server.Close()
	commands, replies := bufio.NewReader(client), bufio.NewReader(server)
	for {
		sent, err := readReply(commands) // a command is written like a reply
		parts, ok := sent.([]any)
		if err != nil || !ok {
			return
		}
		raw, command := encode(parts)
		reply, refused := judge(rules, command)
		switch {
		case refused && reply == "":
			return
		case refused:
			_, err = fmt.Fprintf(client, "-%s\r\n", reply)
		default:
			if _, err = io.WriteString(server, raw); err == nil {
				err = copyReply(client, replies)
			}
		}
		if err != nil {
			return
		}
	}
}

func judge(rules []Rule, command []string) (reply string, refused bool) {
	for _, rule := range rules {
		if reply, refused = rule(command); refused {
			return reply, true
		}
	}
	return "", false
}

// encode returns a command as it is sent, and its parts.
func encode(parts []any) (raw string, command []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(parts))
	for _, p := range parts {
		text := fmt.Sprint(p)
		command = append(command, text)
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(text), text)
	}
	return b.String(), command
}

// copyReply copies one reply of RESP2.
func copyReply(to io.Writer, from *bufio.Reader) error {
	line, err := from.ReadString('\n')
	if err != nil {
		return err
	}
	if _, err := io.WriteString(to, line); err != nil {
		return err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch {
	case line[0] == '$' && n >= 0:
		_, err = io.CopyN(to, from, int64(n)+2)
	case line[0] == '*':
		for ; n > 0 && err == nil; n-- {
			err = copyReply(to, from)
		}
	}
	return err
}
