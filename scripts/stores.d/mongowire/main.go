// Mongowire serves the MongoDB wire protocol from a folder of SQLite files: mongowire ADDRESS FOLDER [NAME PASSWORD].
// With two files that hold root's name and password clients must sign in; else all may do all.
// FerretDB is used as a library because its own command refuses to start outside a release build.
//
// FerretDB 1.24 finds, decides and writes in three steps, so that of two conditional updates at once both win; MongoDB
// changes a document atomically. Hence clients come in by a door that lets one writing command at a time through to
// FerretDB, which listens on a socket of its own. Reads pass freely.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const (
	largest    = 48_000_000 // bytes of one message, as MongoDB
	opMsg      = 2013
	opQuery    = 2004
	opReply    = 1
	moreToCome = 1 << 1 // the sender wants no answer
	patience   = 10 * time.Second
)

var writes = map[string]bool{
	"insert": true, "update": true, "delete": true, "findAndModify": true, "findandmodify": true,
	"create": true, "createIndexes": true, "drop": true, "dropDatabase": true, "dropIndexes": true,
}

func main() {
	if len(os.Args) != 3 && len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: mongowire ADDRESS FOLDER [FILE-WITH-ROOT'S-NAME FILE-WITH-ROOT'S-PASSWORD]")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, folder string, root []string) error {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	var keeper *guard
	if len(root) == 2 {
		if keeper, err = newGuard(absolute, root[0], root[1]); err != nil {
			return err
		}
	}
	room, err := os.MkdirTemp("", "mongowire-") // not in the folder: a socket's path must be short
	if err != nil {
		return err
	}
	defer os.RemoveAll(room)
	socket := filepath.Join(room, "socket")
	files := url.URL{Scheme: "file", OmitHost: true, Path: absolute + "/"}
	// A line per connection or refused command, FerretDB's habit, would bury what matters.
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: files.String(),
		Logger:    logger,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	if err := await(socket, ended); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	go (&door{socket: socket, guard: keeper}).open(listener)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	listener.Close()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience): // a client that stays must not keep us
		return nil
	}
}

// await returns when FerretDB takes connections.
func await(socket string, ended <-chan error) error {
	deadline := time.After(patience)
	for {
		if connection, err := net.Dial("unix", socket); err == nil {
			return connection.Close()
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("FerretDB ended at once"), err)
		case <-deadline:
			return errors.New("FerretDB did not start in time")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// door is the way from clients to FerretDB.
type door struct {
	socket  string
	guard   *guard // nothing, when all may come in
	writing sync.Mutex
}

func (d *door) open(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go d.carry(client)
	}
}

// carry takes messages between one client and FerretDB until either leaves.
func (d *door) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", d.socket)
	if err != nil {
		return
	}
	defer server.Close()
	known := &session{guard: d.guard}
	for {
		request, err := read(client)
		if err != nil {
			return
		}
		answer, err := d.answer(server, known, request)
		if err != nil {
			return
		}
		if _, err = client.Write(answer); err != nil {
			return
		}
	}
}

// answer gives what the guard says to a request, or what FerretDB does.
func (d *door) answer(server net.Conn, known *session, request []byte) ([]byte, error) {
	if d.guard == nil {
		return d.exchange(server, request)
	}
	passes, answer, err := known.answer(request)
	if err != nil || !passes {
		return answer, err
	}
	if answer, err = d.exchange(server, request); err != nil || answer == nil {
		return answer, err
	}
	return welcome(request, answer)
}

// exchange gives the answer to a request; nothing, when none is due.
func (d *door) exchange(server net.Conn, request []byte) ([]byte, error) {
	command, silent := look(request)
	if writes[command] {
		d.writing.Lock()
		defer d.writing.Unlock()
	}
	if _, err := server.Write(request); err != nil || silent {
		return nil, err
	}
	return read(server)
}

// look gives the name of the command in a message, and whether its sender wants no answer.
func look(message []byte) (string, bool) {
	if len(message) < 26 || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return "", false
	}
	silent := binary.LittleEndian.Uint32(message[16:])&moreToCome != 0
	if message[20] != 0 { // drivers put the command's body first
		return "", silent
	}
	name, _, _ := bytes.Cut(message[26:], []byte{0}) // after the body's length (4) and its first element's type (1)
	return string(name), silent
}

func read(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < 16 || size > largest {
		return nil, errors.New("not a message")
	}
	message := make([]byte, size)
	copy(message, length[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}
