package main

import (
	"fmt"

	"github.com/moby/sys/user"
)

var lookups = map[string]lookup{"filter": filter, "exec": exec, "groups": groups}

// Reads on to the end of the file: the function has no way to stop.
func filter(root, name string) (int, error) {
	users, err := user.ParsePasswdFileFilter(root+"/etc/passwd", func(u user.User) bool { return u.Name == name })
	if err != nil || len(users) == 0 {
		return 0, fmt.Errorf("find %q: %v", name, err)
	}
	return users[0].Uid, nil
}

func exec(root, name string) (int, error) {
	found, err := user.GetExecUserPath(name, nil, root+"/etc/passwd", root+"/etc/group")
	if err != nil {
		return 0, err
	}
	return found.Uid, nil
}

func groups(root, name string) (int, error) {
	found, err := user.GetExecUserPath(name, nil, root+"/etc/passwd", root+"/etc/group")
	if err != nil {
		return 0, err
	}
	return highest(found.Sgids), nil
}
