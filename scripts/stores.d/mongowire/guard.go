package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// guard answers in FerretDB's place what it does not know on SQLite: who may come in, and to which database. As with
// MongoDB's authorization a client proves its password by SCRAM-SHA-256; of MongoDB's roles it knows root, dbOwner and
// readWrite.
type guard struct {
	file  string
	lock  sync.Mutex
	users map[string]account
}

// account is a user as the file keeps it: what verifies a password, never the password.
type account struct {
	Name       string `json:"user"`
	Database   string `json:"db"`
	Roles      []role `json:"roles"`
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
}

type role struct {
	Role     string `json:"role" bson:"role"`
	Database string `json:"db" bson:"db"`
}

const (
	mechanism  = "SCRAM-SHA-256"
	iterations = 15_000 // as MongoDB
)

// Commands for which nobody needs to be known, as MongoDB.
var open = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "buildInfo": true, "buildinfo": true,
	"whatsmyuri": true, "connectionStatus": true, "endSessions": true, "logout": true,
}

// What readWrite does not allow on its own database.
var owners = map[string]bool{"dropDatabase": true}

var roles = map[string]bool{"root": true, "dbOwner": true, "readWrite": true}

// newGuard reads the users of a folder. In a new folder root is made of what the two files hold.
func newGuard(folder, nameFile, passwordFile string) (*guard, error) {
	g := &guard{file: filepath.Join(folder, "users.json"), users: map[string]account{}}
	text, err := os.ReadFile(g.file)
	if err == nil {
		return g, json.Unmarshal(text, &g.users)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	name, err := os.ReadFile(nameFile)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return nil, err
	}
	root := account{Name: strings.TrimSpace(string(name)), Database: "admin", Roles: []role{{"root", "admin"}}}
	if root.Name == "" {
		return nil, errors.New("the file with root's name is empty")
	}
	if err := root.setPassword(strings.TrimRight(string(password), "\r\n")); err != nil {
		return nil, err
	}
	return g, g.keep(root)
}

func (a *account) key() string { return a.Database + "." + a.Name }

func (a *account) setPassword(password string) error {
	if password == "" {
		return errors.New("a password cannot be empty")
	}
	client, err := scram.SHA256.NewClient(a.Name, password, "")
	if err != nil {
		return err
	}
	a.Salt, a.Iterations = make([]byte, 28), iterations
	if _, err := rand.Read(a.Salt); err != nil {
		return err
	}
	credentials := client.GetStoredCredentials(scram.KeyFactors{Salt: string(a.Salt), Iters: a.Iterations})
	a.StoredKey, a.ServerKey = credentials.StoredKey, credentials.ServerKey
	return nil
}

// may says whether the account may run a command on a database.
func (a *account) may(command, database string) bool {
	for _, held := range a.Roles {
		switch {
		case held.Role == "root":
			return true
		case held.Database != database:
		case held.Role == "dbOwner":
			return true
		case held.Role == "readWrite":
			return !owners[command] && !manages[command]
		}
	}
	return false
}

// keep adds or changes an account, on disk first: what was answered to be done is there after a kill.
func (g *guard) keep(changed account) error {
	users := map[string]account{changed.key(): changed}
	for key, user := range g.users {
		if key != changed.key() {
			users[key] = user
		}
	}
	return g.write(users)
}

func (g *guard) write(users map[string]account) error {
	text, err := json.MarshalIndent(users, "", " ")
	if err != nil {
		return err
	}
	part, err := os.OpenFile(g.file+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = part.Write(text)
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), g.file); err != nil {
		return err
	}
	g.users = users
	return nil
}

func (g *guard) find(database, name string) (account, bool) {
	g.lock.Lock()
	defer g.lock.Unlock()
	user, found := g.users[database+"."+name]
	return user, found
}

// session is what is known of one client.
type session struct {
	guard        *guard
	user         string // key of the account that signed in
	asking       string // key of the account that is about to
	conversation *scram.ServerConversation
	short        bool // the client wants no empty message at the end
}

// answer says whether a request may pass to FerretDB, or else what the guard itself says to it, which is nothing where
// the sender wants no answer. An error ends the connection.
func (s *session) answer(request []byte) (bool, []byte, error) {
	body, silent, err := parse(request)
	if err != nil {
		return false, nil, err
	}
	elements, err := body.Elements()
	if err != nil || len(elements) == 0 {
		return false, nil, errors.New("not a command")
	}
	command := elements[0].Key()
	database, _ := body.Lookup("$db").StringValueOK()
	var said bson.D
	switch {
	case open[command]:
		return true, nil, nil
	case opcode(request) != opMsg:
		return false, nil, errors.New("an old way of asking")
	case command == "saslStart":
		said, err = s.start(body, database)
	case command == "saslContinue":
		said, err = s.proceed(body)
	default:
		said, err = s.permit(command, body, database)
	}
	var refused refusal
	if errors.As(err, &refused) {
		said, err = bson.D{{"ok", 0.0}, {"errmsg", refused.text}, {"code", refused.code}, {"codeName", refused.name}}, nil
	}
	if err != nil || said == nil || silent {
		return said == nil && err == nil, nil, err
	}
	answer, err := reply(request, said)
	return false, answer, err
}

func (s *session) permit(command string, body bson.Raw, database string) (bson.D, error) {
	s.guard.lock.Lock()
	defer s.guard.lock.Unlock()
	user, known := s.guard.users[s.user]
	if !known {
		return nil, unauthorized(fmt.Sprintf("Command %s requires authentication", command))
	}
	if !user.may(command, database) {
		return nil, unauthorized(fmt.Sprintf("not authorized on %s to execute command %s", database, command))
	}
	if manages[command] {
		return s.guard.manage(command, body, database)
	}
	return nil, nil
}

func (s *session) start(body bson.Raw, database string) (bson.D, error) {
	if name, _ := body.Lookup("mechanism").StringValueOK(); name != mechanism {
		return nil, refusal{"MechanismUnavailable", 334, "Unsupported mechanism; there is " + mechanism}
	}
	s.short, _ = body.Lookup("options", "skipEmptyExchange").BooleanOK()
	server, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
		user, found := s.guard.find(database, name)
		if !found {
			return scram.StoredCredentials{}, errors.New("unknown")
		}
		s.asking = user.key()
		factors := scram.KeyFactors{Salt: string(user.Salt), Iters: user.Iterations}
		return scram.StoredCredentials{KeyFactors: factors, StoredKey: user.StoredKey, ServerKey: user.ServerKey}, nil
	})
	if err != nil {
		return nil, err
	}
	s.user, s.asking, s.conversation = "", "", server.NewConversation()
	return s.proceed(body)
}

func (s *session) proceed(body bson.Raw) (bson.D, error) {
	_, payload, _ := body.Lookup("payload").BinaryOK()
	if s.conversation == nil {
		return nil, failed
	}
	if s.conversation.Done() { // the empty message at the end
		s.conversation = nil
		return conversation("", true), nil
	}
	text, err := s.conversation.Step(string(payload))
	if err != nil {
		s.conversation = nil
		return nil, failed
	}
	ended := s.conversation.Done() && s.conversation.Valid()
	if ended {
		s.user = s.asking
		if s.short {
			s.conversation = nil
		}
	}
	return conversation(text, ended && s.short), nil
}

func conversation(payload string, done bool) bson.D {
	return bson.D{{"conversationId", int32(1)}, {"done", done}, {"payload", primitive.Binary{Data: []byte(payload)}}, {"ok", 1.0}}
}

// welcome names our mechanism in FerretDB's answer to a hello that asked which there are for a user.
func welcome(request, answer []byte) ([]byte, error) {
	body, _, err := parse(request)
	if err != nil {
		return nil, err
	}
	if _, asked := body.Lookup("saslSupportedMechs").StringValueOK(); !asked {
		return answer, nil
	}
	start := 21 // of the document, after the header, flags and a section's kind
	if opcode(answer) == opReply {
		start = 36
	}
	if len(answer) < start {
		return nil, errors.New("not an answer")
	}
	var said bson.D
	if err := bson.Unmarshal(answer[start:], &said); err != nil {
		return nil, err
	}
	changed := bson.D{}
	for _, element := range said {
		if element.Key != "saslSupportedMechs" {
			changed = append(changed, element)
		}
	}
	document, err := bson.Marshal(append(changed, bson.E{Key: "saslSupportedMechs", Value: bson.A{mechanism}}))
	if err != nil {
		return nil, err
	}
	return sized(append(answer[:start:start], document...)), nil
}

// parse gives a request's command, and whether its sender wants no answer.
func parse(message []byte) (bson.Raw, bool, error) {
	var document bson.Raw
	silent := false
	switch opcode(message) {
	case opMsg:
		if len(message) < 26 || message[20] != 0 { // drivers put the command's body first
			return nil, false, errors.New("not a command")
		}
		silent = binary.LittleEndian.Uint32(message[16:])&moreToCome != 0
		document = message[21:]
	case opQuery: // the first hello of most drivers: flags, the name of a collection, two numbers, the command
		if len(message) > 20 {
			if _, rest, found := strings.Cut(string(message[20:]), "\x00"); found && len(rest) > 8 {
				document = bson.Raw(rest[8:])
			}
		}
	}
	if len(document) < 5 {
		return nil, false, errors.New("not a command")
	}
	size := binary.LittleEndian.Uint32(document)
	if uint64(size) > uint64(len(document)) {
		return nil, false, errors.New("not a command")
	}
	document = document[:size]
	return document, silent, document.Validate()
}

func opcode(message []byte) uint32 { return binary.LittleEndian.Uint32(message[12:]) }

func reply(request []byte, said bson.D) ([]byte, error) {
	document, err := bson.Marshal(said)
	if err != nil {
		return nil, err
	}
	message := make([]byte, 21, 21+len(document))
	copy(message[8:], request[4:8]) // the answer to which request
	binary.LittleEndian.PutUint32(message[12:], opMsg)
	return sized(append(message, document...)), nil
}

func sized(message []byte) []byte {
	binary.LittleEndian.PutUint32(message, uint32(len(message)))
	return message
}

type refusal struct {
	name string
	code int32
	text string
}

func (r refusal) Error() string { return r.text }

var failed = refusal{"AuthenticationFailed", 18, "Authentication failed."}

func unauthorized(text string) refusal { return refusal{"Unauthorized", 13, text} }
