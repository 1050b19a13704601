// Does what the bench tells it to, by github.com/vishvananda/netlink: for each line "TIMES WHAT" of input it prints
// how many nanoseconds that took, how many microseconds of them in user space, and the most memory it ever had, in KiB.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

var handle *netlink.Handle

var tasks = map[string]func() error{
	"find a link":                    findALink,
	"set an MTU":                     setAnMTU,
	"add and delete an address":      address,
	"add and delete a route":         route,
	"add and delete a pair of links": pair,
	"list 10,000 neighbours":         neighbours,
	"list 2,000 links":               links,
	"list 100,000 routes":            routes,
}

func main() {
	var err error
	handle, err = netlink.NewHandle()
	check(err)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		var times int
		count, name, _ := strings.Cut(input.Text(), " ")
		_, err := fmt.Sscan(count, &times)
		check(err)
		task, known := tasks[name]
		if !known {
			fmt.Println("unknown")
			continue
		}
		start, before := time.Now(), usage()
		for ; times > 0; times-- {
			check(task())
		}
		took, after := time.Since(start), usage()
		fmt.Println(took.Nanoseconds(), (after.Utime.Nano()-before.Utime.Nano())/1000, after.Maxrss)
	}
}

func usage() (usage syscall.Rusage) {
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func findALink() error {
	_, err := handle.LinkByName("v0")
	return err
}

// The link is known beforehand, as to the others.
func device() netlink.Link {
	if known == nil {
		var err error
		known, err = handle.LinkByName("v0")
		check(err)
	}
	return known
}

var known netlink.Link

func setAnMTU() error {
	return handle.LinkSetMTU(device(), 1500)
}

func address() error {
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 1, 0, 1), Mask: net.CIDRMask(24, 32)}}
	check(handle.AddrAdd(device(), address))
	return handle.AddrDel(device(), address)
}

func route() error {
	route := &netlink.Route{
		Dst:       &net.IPNet{IP: net.IPv4(10, 2, 3, 0), Mask: net.CIDRMask(24, 32)},
		LinkIndex: device().Attrs().Index,
		Scope:     netlink.SCOPE_LINK,
	}
	check(handle.RouteAdd(route))
	return handle.RouteDel(route)
}

func pair() error {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "p0", Index: 70_000}, PeerName: "p1"}
	check(handle.LinkAdd(pair))
	return handle.LinkDel(pair)
}

func neighbours() error {
	all, err := handle.NeighList(0, netlink.FAMILY_V4)
	return expect(len(all), 10_000, err)
}

func links() error {
	all, err := handle.LinkList()
	return expect(len(all), 2000, err)
}

func routes() error {
	all, err := handle.RouteList(nil, netlink.FAMILY_V4)
	return expect(len(all), 100_000, err)
}

func expect(count, least int, err error) error {
	if err == nil && count < least {
		err = fmt.Errorf("%d of %d are listed", count, least)
	}
	return err
}
