package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"

	pb "ledgerpb"
)

const mebibyte = 1 << 20

// Sends all events in one stream, and returns what was answered and how it ended.
func (c *client) stream(events []*pb.CertifiedEvent, options ...grpc.CallOption) (
	[]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	stream, err := c.ledger.SubmitEvents(ctx, options...)
	if err != nil {
		return nil, err
	}
	go func() {
		for _, event := range events {
			if stream.Send(event) != nil {
				return
			}
		}
		stream.CloseSend()
	}()
	var said []string
	for {
		result, err := stream.Recv()
		if err == io.EOF {
			return said, nil
		}
		if err != nil {
			return said, err
		}
		if rejection := result.GetRejection(); rejection != nil {
			said = append(said, rejection.Reason)
		} else {
			said = append(said, "sealed")
		}
	}
}

func expectStream(said []string, err error, expected string) error {
	if found := strings.Join(said, " "); err != nil || found != expected {
		return fmt.Errorf("expected %q, got %q and %v", expected, found, err)
	}
	return nil
}

func submitting(c *client) {
	check("an event is sealed, its repetition is a duplicate with the original", func() error {
		event := c.event(100)
		sealed, err := c.submit(event)
		if err != nil {
			return err
		}
		_, err = c.submit(event)
		if _, _, original := details(err); original == nil ||
			original.SequenceNumber != sealed.SequenceNumber {
			return fmt.Errorf("no original in %v", err)
		}
		return expect(err, codes.AlreadyExists, "DUPLICATE_EVENT")
	})
	check("other content under the same id is conflicting, and says which fields differ",
		func() error {
			event := c.event(100)
			if _, err := c.submit(event); err != nil {
				return err
			}
			event.Payload, event.VepsTimestamp = []byte("other"), 7
			_, err := c.submit(event)
			_, fields, _ := details(err)
			if fields["differs"] != "payload,veps_timestamp" {
				return fmt.Errorf("differs is %q in %v", fields["differs"], err)
			}
			return expect(err, codes.AlreadyExists, "CONFLICTING_EVENT")
		})
	for _, size := range []int{49_153, 200_000, 3 * mebibyte} {
		size := size
		check(fmt.Sprintf("a payload of %d bytes is INVALID_EVENT", size), func() error {
			_, err := c.submit(c.event(size))
			return expect(err, codes.InvalidArgument, "INVALID_EVENT")
		})
		check(fmt.Sprintf("a payload of %d bytes in a stream is refused alone", size),
			func() error {
				said, err := c.stream([]*pb.CertifiedEvent{c.event(1), c.event(size), c.event(1)})
				return expectStream(said, err, "sealed INVALID_EVENT sealed")
			})
	}
	check("a message of 5 MiB is RESOURCE_EXHAUSTED with a reason", func() error {
		_, err := c.submit(c.event(5 * mebibyte))
		if reason, _, _ := details(err); reason == "" {
			return fmt.Errorf("no ErrorInfo: %v", err)
		}
		return expect(err, codes.ResourceExhausted, "")
	})
	check("a message of 5 MiB ends its stream, and earlier answers stand", func() error {
		said, err := c.stream([]*pb.CertifiedEvent{c.event(1), c.event(5 * mebibyte), c.event(1)})
		if len(said) == 0 || said[0] != "sealed" {
			return fmt.Errorf("answers %q, then %v", said, err)
		}
		return expect(err, codes.ResourceExhausted, "")
	})
	check("events compressed with gzip are sealed", func() error {
		compressed := grpc.UseCompressor(gzip.Name)
		if _, err := c.submit(c.event(1_000), compressed); err != nil {
			return err
		}
		said, err := c.stream([]*pb.CertifiedEvent{c.event(1), c.event(200_000)}, compressed)
		return expectStream(said, err, "sealed INVALID_EVENT")
	})
	check("the longest deadline that Go has is an ordinary one", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), math.MaxInt64)
		defer cancel()
		_, err := c.ledger.SubmitEvent(ctx, c.event(1))
		if err != nil {
			return err
		}
		// What Go sends for it, and it rounds up, is an hour more than its own largest duration.
		ctx = metadata.AppendToOutgoingContext(context.Background(), "x-nothing", "1")
		_, err = c.ledger.SubmitEvent(ctx, c.event(1))
		return err
	})
	check("17 kB of metadata fail their call, and no other", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		stream, err := c.ledger.SubmitEvents(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(c.event(1)); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		long := metadata.AppendToOutgoingContext(ctx, "x-long", strings.Repeat("a", 17_000))
		if _, err := c.ledger.SubmitEvent(long, c.event(1)); err == nil {
			return fmt.Errorf("the call is OK")
		}
		if err := stream.Send(c.event(1)); err != nil {
			return fmt.Errorf("the stream beside it: %v", err)
		}
		_, err = stream.Recv()
		return err
	})
	check("400 cancelled calls do no harm to a stream beside them", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		beside, err := c.ledger.SubmitEvents(ctx)
		if err != nil {
			return err
		}
		for n := 0; n < 400; n++ {
			ctx, cancel := context.WithTimeout(context.Background(), callTime)
			follow, err := c.ledger.ListEvents(ctx, &pb.ListEventsRequest{Follow: true})
			if err == nil {
				_, err = follow.Recv()
			}
			cancel()
			if err != nil {
				return fmt.Errorf("list %d: %v", n, err)
			}
		}
		if err := beside.Send(c.event(1)); err != nil {
			return fmt.Errorf("the stream beside them: %v", err)
		}
		if _, err := beside.Recv(); err != nil {
			return fmt.Errorf("the stream beside them: %v", err)
		}
		return nil
	})
}
