package main

import (
	"fmt"
	"sort"

	"go.mongodb.org/mongo-driver/bson"
)

// Commands about users, which the guard carries out itself.
var manages = map[string]bool{"createUser": true, "updateUser": true, "dropUser": true, "usersInfo": true}

// manage carries one out; its caller holds the lock.
func (g *guard) manage(command string, body bson.Raw, database string) (bson.D, error) {
	if command == "usersInfo" {
		return g.info(body, database), nil
	}
	name, _ := body.Lookup(command).StringValueOK()
	user, found := g.users[database+"."+name]
	switch {
	case name == "":
		return nil, refusal{"BadValue", 2, "a user needs a name"}
	case found && command == "createUser":
		return nil, refusal{"Location51003", 51003, fmt.Sprintf("User %q already exists", name+"@"+database)}
	case !found && command != "createUser":
		return nil, refusal{"UserNotFound", 11, fmt.Sprintf("Could not find user %q for db %q", name, database)}
	case command == "dropUser":
		rest := map[string]account{}
		for key, other := range g.users {
			if key != user.key() {
				rest[key] = other
			}
		}
		return bson.D{{"ok", 1.0}}, g.write(rest)
	}
	user.Name, user.Database = name, database
	if err := user.change(body, command == "createUser"); err != nil {
		return nil, err
	}
	return bson.D{{"ok", 1.0}}, g.keep(user)
}

// change sets the password and the roles that a command names; a new account needs both.
func (a *account) change(body bson.Raw, made bool) error {
	password, given := body.Lookup("pwd").StringValueOK()
	if given || made {
		if err := a.setPassword(password); err != nil {
			return refusal{"BadValue", 2, err.Error()}
		}
	}
	array, given := body.Lookup("roles").ArrayOK()
	if !given {
		if made {
			return refusal{"BadValue", 2, "\"createUser\" command requires a \"roles\" array"}
		}
		return nil
	}
	values, err := array.Values()
	if err != nil {
		return refusal{"BadValue", 2, err.Error()}
	}
	a.Roles = nil
	for _, value := range values {
		held := role{Database: a.Database}
		if short, is := value.StringValueOK(); is {
			held.Role = short
		} else if err := value.Unmarshal(&held); err != nil {
			return refusal{"BadValue", 2, "a role is a name or {role, db}"}
		}
		if !roles[held.Role] || held.Database == "" {
			return refusal{"RoleNotFound", 31, fmt.Sprintf("Could not find role: %s@%s", held.Role, held.Database)}
		}
		a.Roles = append(a.Roles, held)
	}
	return nil
}

// info answers usersInfo for one name, one {user, db}, or (1) the whole database.
func (g *guard) info(body bson.Raw, database string) bson.D {
	asked := body.Lookup("usersInfo")
	name, one := asked.StringValueOK()
	if document, is := asked.DocumentOK(); is {
		name, one = document.Lookup("user").StringValue(), true
		database = document.Lookup("db").StringValue()
	}
	found := []account{}
	for _, user := range g.users {
		if user.Database == database && (!one || user.Name == name) {
			found = append(found, user)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	users := bson.A{}
	for _, user := range found {
		users = append(users, bson.D{
			{"_id", user.key()}, {"user", user.Name}, {"db", user.Database},
			{"roles", user.Roles}, {"mechanisms", bson.A{mechanism}},
		})
	}
	return bson.D{{"users", users}, {"ok", 1.0}}
}
