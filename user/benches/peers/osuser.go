package main

import (
	"os/user"
	"strconv"
)

var lookups = map[string]lookup{"user": byName, "groups": groups}

// Without cgo, it reads the /etc/passwd of the mount namespace.
func byName(_, name string) (int, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found.Uid)
}

func groups(_, name string) (int, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	texts, err := found.GroupIds()
	if err != nil {
		return 0, err
	}
	ids := make([]int, len(texts))
	for i, text := range texts {
		if ids[i], err = strconv.Atoi(text); err != nil {
			return 0, err
		}
	}
	return highest(ids), nil
}
