package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	pb "ledgerpb"
)

// So many large events make a list that no window holds.
const (
	largeEvents = 6_000
	largeSize   = 1_000
	deadline    = 700 * time.Millisecond
)

// The three calls that stay open, and what they give first.
func (c *client) open(ctx context.Context) map[string]func() error {
	return map[string]func() error{
		"SubmitEvents": func() error {
			stream, err := c.ledger.SubmitEvents(ctx)
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"ListEvents that follows": func() error {
			stream, err := c.ledger.ListEvents(ctx, &pb.ListEventsRequest{Follow: true})
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"Watch": func() error {
			health := healthpb.NewHealthClient(c.conn)
			stream, err := health.Watch(ctx, &healthpb.HealthCheckRequest{})
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	}
}

func ending(c *client) {
	for name := range c.open(context.Background()) {
		name := name
		check("the deadline of an open "+name+" is DEADLINE_EXCEEDED", func() error {
			for n := 0; n < 3; n++ {
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				err := c.open(ctx)[name]()
				cancel()
				if err := expect(err, codes.DeadlineExceeded, ""); err != nil {
					return err
				}
			}
			return nil
		})
		check("an open "+name+" that is cancelled is CANCELLED", func() error {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(100*time.Millisecond, cancel)
			return expect(c.open(ctx)[name](), codes.Canceled, "")
		})
	}
}

func reading(c *client) {
	check("a long list that is read slowly comes whole", func() error {
		var events []*pb.CertifiedEvent
		for n := 0; n < largeEvents; n++ {
			events = append(events, c.event(largeSize))
		}
		first, err := c.submit(c.event(1))
		if err != nil {
			return err
		}
		if _, err := c.stream(events); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*callTime)
		defer cancel()
		request := &pb.ListEventsRequest{First: first.SequenceNumber}
		stream, err := c.ledger.ListEvents(ctx, request)
		if err != nil {
			return err
		}
		next := first.SequenceNumber
		for {
			event, err := stream.Recv()
			if err == io.EOF {
				break
			}
			if err != nil {
				return fmt.Errorf("after %d events: %v", next-first.SequenceNumber, err)
			}
			if event.SequenceNumber != next {
				return fmt.Errorf("number %d, expected %d", event.SequenceNumber, next)
			}
			next++
			// The reader's own slowness, which is what is tried here.
			time.Sleep(time.Millisecond)
		}
		if next <= first.SequenceNumber+largeEvents {
			return fmt.Errorf("only up to %d", next)
		}
		return nil
	})
}

func describing(c *client) {
	check("reflection knows the messages of the details", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		reflection := reflectionpb.NewServerReflectionClient(c.conn)
		stream, err := reflection.ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		for _, name := range []string{
			"google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RetryInfo",
		} {
			err := stream.Send(&reflectionpb.ServerReflectionRequest{
				MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
					FileContainingSymbol: name,
				},
			})
			if err != nil {
				return err
			}
			answer, err := stream.Recv()
			if err != nil {
				return err
			}
			if answer.GetFileDescriptorResponse() == nil {
				return fmt.Errorf("%s: %v", name, answer.GetErrorResponse())
			}
		}
		return nil
	})
}

// What the library reports by itself. No answer of the service has a part in it.
func libraryStatuses(c *client, other string, refused string) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	request := &pb.HealthCheckRequest{}
	report("an unknown method", c.conn.Invoke(
		ctx, "/ledger.ImmutableLedger/Nothing", request, &pb.HealthCheckResponse{}))
	_, err := c.ledger.HealthCheck(ctx, request, grpc.MaxCallRecvMsgSize(1))
	report("an answer larger than the client takes", err)
	_, err = c.ledger.SubmitEvent(ctx, c.event(5*mebibyte))
	report("a request of 5 MiB", err)
	_, err = c.ledger.SubmitEvent(ctx, c.event(5*mebibyte), grpc.MaxCallSendMsgSize(1_000))
	report("a request larger than the client sends", err)
	report("a request that does not decode", c.conn.Invoke(
		ctx, "/ledger.ImmutableLedger/GetEvent",
		&pb.GetEventByIdRequest{EventId: "\x01"}, &pb.SealedEvent{}))
	toRefused := dial(refused)
	defer toRefused.conn.Close()
	_, err = toRefused.ledger.HealthCheck(ctx, request)
	report("a refused connection", err)
	toOther := dial(other)
	defer toOther.conn.Close()
	_, err = toOther.ledger.HealthCheck(ctx, request)
	report("a server that is not gRPC", err)
}

func restarting(c *client) {
	check("a client finds the service again after a restart, without a new channel", func() error {
		event := c.event(10)
		sealed, err := c.submit(event)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 4*callTime)
		defer cancel()
		follow, err := c.ledger.ListEvents(
			ctx, &pb.ListEventsRequest{First: sealed.SequenceNumber, Follow: true})
		if err != nil {
			return err
		}
		if _, err = follow.Recv(); err != nil {
			return err
		}
		ask("stop")
		_, err = follow.Recv()
		report("a stream when the replica stops", err)
		if err := expect(err, codes.Unavailable, "STOPPING"); err != nil {
			return err
		}
		ask("start")
		for {
			_, err := c.submit(c.event(10))
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
		_, err = c.submit(event)
		return expect(err, codes.AlreadyExists, "DUPLICATE_EVENT")
	})
	check("a stream whose connection is cut ends UNAVAILABLE", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 4*callTime)
		defer cancel()
		follow, err := c.ledger.ListEvents(ctx, &pb.ListEventsRequest{Follow: true})
		if err != nil {
			return err
		}
		if _, err := follow.Recv(); err != nil {
			return err
		}
		ask("kill")
		for err == nil {
			_, err = follow.Recv()
		}
		report("a connection that is cut in the middle", err)
		ask("start")
		return expect(err, codes.Unavailable, "")
	})
}
