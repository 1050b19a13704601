// Looks users up, as the bench tells it to: for each line "TIMES NAME" of input it prints how many nanoseconds
// that took, and the id that was found. To be built with a file that has the lookups.
package main

import (
	"fmt"
	"os"
	"time"
)

// A lookup returns a user's id, or the highest of the ids of their groups.
type lookup func(root, name string) (int, error)

func main() {
	find, root := lookups[os.Args[1]], os.Args[2]
	for {
		var times, id int
		var name string
		if _, err := fmt.Scanln(&times, &name); err != nil {
			return
		}
		start := time.Now()
		for ; times > 0; times-- {
			var err error
			if id, err = find(root, name); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		fmt.Println(time.Since(start).Nanoseconds(), id)
	}
}

func highest(ids []int) (id int) {
	for _, other := range ids {
		if other > id {
			id = other
		}
	}
	return id
}
