// vcsim, the vCenter simulator of the govmomi library, as a program for tests: one flag for each number
// of objects, TLS and a login.  It prints its URL and serves until it is killed.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	esx := flag.Bool("esx", false, "a single host")
	listen := flag.String("l", "127.0.0.1:0", "address and port")
	user := flag.String("username", "", "who may log in")
	password := flag.String("password", "", "with what")
	cert := flag.String("tlscert", "", "certificate, PEM")
	key := flag.String("tlskey", "", "its key")
	flag.IntVar(&model.Machine, "vm", 2, "machines of each resource pool")
	flag.IntVar(&model.Cluster, "cluster", 1, "clusters")
	flag.IntVar(&model.ClusterHost, "host", 3, "hosts of each cluster")
	flag.IntVar(&model.Datastore, "ds", 1, "datastores")
	flag.Parse()

	if *esx {
		machines := model.Machine
		model = simulator.ESX()
		model.Machine = machines
	}
	defer model.Remove()
	if err := model.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	model.Service.Listen = &url.URL{Host: *listen}
	if *user != "" {
		model.Service.Listen.User = url.UserPassword(*user, *password)
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	fmt.Printf("%s://%s/sdk\n", server.URL.Scheme, server.URL.Host)

	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
	server.Close()
}
