// Checks of a running ledger with grpc-go and its default settings.
//
// It prints a line for each check. Where the service has to be restarted it prints "ask restart"
// and waits for a line on its standard input.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "ledgerpb"
)

// Long enough for a debug build on a busy machine.
const callTime = 30 * time.Second

// A client with a connection of its own.
type client struct {
	conn   *grpc.ClientConn
	ledger pb.ImmutableLedgerClient
	run    string
	count  int
}

func dial(address string) *client {
	conn, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		fmt.Println("FAIL  dial:", err)
		os.Exit(1)
	}
	run := fmt.Sprintf("go-%d-%d", os.Getpid(), time.Now().UnixNano())
	return &client{conn: conn, ledger: pb.NewImmutableLedgerClient(conn), run: run}
}

// A valid event with an id that no other has.
func (c *client) event(size int) *pb.CertifiedEvent {
	c.count++
	return &pb.CertifiedEvent{
		EventId: fmt.Sprintf("%s-%d", c.run, c.count), Payload: make([]byte, size),
	}
}

func (c *client) submit(event *pb.CertifiedEvent, options ...grpc.CallOption) (
	*pb.SealedEvent, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	return c.ledger.SubmitEvent(ctx, event, options...)
}

// What the details of a status say.
func details(err error) (reason string, metadata map[string]string, original *pb.SealedEvent) {
	for _, detail := range status.Convert(err).Details() {
		switch found := detail.(type) {
		case *errdetails.ErrorInfo:
			if found.Domain == "ledger" {
				reason, metadata = found.Reason, found.Metadata
			}
		case *pb.SealedEvent:
			original = found
		}
	}
	return
}

// A failure unless the error has the code and, where it is not empty, the reason.
func expect(err error, code codes.Code, reason string) error {
	found, _, _ := details(err)
	if status.Code(err) != code || (reason != "" && found != reason) {
		return fmt.Errorf("expected %v/%s, got %v/%s: %v", code, reason, status.Code(err), found, err)
	}
	return nil
}

var passed, failed int

// Runs one check and prints how it went.
func check(sentence string, run func() error) {
	done := make(chan error, 1)
	go func() { done <- run() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(4 * callTime):
		err = fmt.Errorf("it hangs")
	}
	if err != nil {
		failed++
		fmt.Printf("FAIL  %s: %s\n", sentence, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	passed++
	fmt.Printf("ok    %s\n", sentence)
}

// Has the service restarted, or the like, and returns when that is done.
func ask(what string) {
	fmt.Println("ask " + what)
	if _, err := input.ReadString('\n'); err != nil {
		os.Exit(1)
	}
}

var input = bufio.NewReader(os.Stdin)

// Says which code this library reports; the caller of this program makes a table of it.
func report(what string, err error) {
	reason, _, _ := details(err)
	fmt.Printf("status %s: %s %s\n", what, status.Code(err), reason)
}

func main() {
	address, other, refused := os.Args[1], os.Args[2], os.Args[3]
	c := dial(address)
	defer c.conn.Close()
	submitting(c)
	ending(c)
	reading(c)
	describing(c)
	libraryStatuses(c, other, refused)
	restarting(c)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
