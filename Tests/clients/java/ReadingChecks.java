import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import grpc.health.v1.HealthGrpc;
import grpc.health.v1.HealthOuterClass.HealthCheckRequest;
import io.grpc.stub.ClientCalls;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import ledger.ImmutableLedgerGrpc;
import ledger.Ledger;
import ledger.Ledger.CertifiedEvent;
import ledger.Ledger.ListEventsRequest;
import ledger.Ledger.SealedEvent;

/** Checks of streams that are read, of how they end, and of what the library says by itself. */
final class ReadingChecks {
  /** So many events make a list that no window holds. */
  private static final int LISTED_EVENTS = 6_000;

  private static final int DEADLINE_MS = 700;

  private ReadingChecks() {}

  /** Reads what comes until it fails; the failure of a stream that ended in order is null. */
  private static Throwable drain(Iterator<?> answers) {
    try {
      while (answers.hasNext()) answers.next();
    } catch (RuntimeException error) {
      return error;
    }
    return null;
  }

  /** The calls that stay open: each reads with a deadline to its end. */
  private static Map<String, java.util.concurrent.Callable<Throwable>> open(
      ManagedChannel channel) {
    Map<String, java.util.concurrent.Callable<Throwable>> calls = new LinkedHashMap<>();
    calls.put(
        "SubmitEvents",
        () -> {
          SubmittingChecks.Stream stream =
              new SubmittingChecks.Stream(
                  ImmutableLedgerGrpc.newStub(channel)
                      .withDeadlineAfter(DEADLINE_MS, TimeUnit.MILLISECONDS));
          Object end = stream.next();
          return end instanceof Throwable ? (Throwable) end : null;
        });
    calls.put(
        "ListEvents that follows",
        () ->
            drain(
                ImmutableLedgerGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(DEADLINE_MS, TimeUnit.MILLISECONDS)
                    .listEvents(ListEventsRequest.newBuilder().setFollow(true).build())));
    calls.put(
        "Watch",
        () ->
            drain(
                HealthGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(DEADLINE_MS, TimeUnit.MILLISECONDS)
                    .watch(HealthCheckRequest.getDefaultInstance())));
    return calls;
  }

  static void run(ManagedChannel channel) {
    open(channel)
        .forEach(
            (name, call) ->
                Checks.check(
                    "the deadline of an open " + name + " is DEADLINE_EXCEEDED",
                    () -> {
                      for (int n = 0; n < 3; n++) {
                        Throwable error = call.call();
                        Checks.expect(error != null, "it ended OK");
                        Checks.expect(error, Status.Code.DEADLINE_EXCEEDED, "");
                      }
                    }));
    Checks.check(
        "a list that is cancelled in its middle is CANCELLED, and the next one comes",
        () -> {
          Checks.ledger(channel).submitEvent(Checks.event(1));
          try (Context.CancellableContext context = Context.current().withCancellation()) {
            Iterator<SealedEvent> events =
                context.call(
                    () ->
                        Checks.ledger(channel)
                            .listEvents(ListEventsRequest.newBuilder().setFollow(true).build()));
            events.next();
            context.cancel(null);
            Throwable error = drain(events);
            Checks.expect(error != null, "it ended OK");
            Checks.expect(error, Status.Code.CANCELLED, "");
          }
          ListEventsRequest one = ListEventsRequest.newBuilder().setLast(1).build();
          Checks.expect(Checks.ledger(channel).listEvents(one).hasNext(), "an empty list");
        });
    Checks.check(
        "400 cancelled calls do no harm to a stream beside them",
        () -> {
          SubmittingChecks.Stream beside =
              new SubmittingChecks.Stream(SubmittingChecks.stub(channel));
          ListEventsRequest follow = ListEventsRequest.newBuilder().setFollow(true).build();
          for (int n = 0; n < 400; n++) {
            try (Context.CancellableContext context = Context.current().withCancellation()) {
              context.call(() -> Checks.ledger(channel).listEvents(follow)).next();
            }
          }
          beside.requests.onNext(Checks.event(1));
          Object answer = beside.next();
          Checks.expect(answer.equals("sealed"), "the stream beside them: " + answer);
          beside.requests.onCompleted();
        });
    Checks.check("a long list that is read slowly comes whole", () -> readSlowly(channel));
  }

  private static void readSlowly(ManagedChannel channel) throws Exception {
    long first = Checks.ledger(channel).submitEvent(Checks.event(1)).getSequenceNumber();
    SubmittingChecks.Stream stream = new SubmittingChecks.Stream(SubmittingChecks.stub(channel));
    for (int n = 0; n < LISTED_EVENTS; n++) {
      stream.requests.onNext(Checks.event(1_000));
      // No more than a stream may have unanswered.
      if (n >= 1_000) stream.next();
    }
    stream.requests.onCompleted();
    Object end = stream.next();
    while (end instanceof String) end = stream.next();
    Checks.expect(end == Status.OK, "the stream ended with " + end);
    Iterator<SealedEvent> events =
        ImmutableLedgerGrpc.newBlockingStub(channel)
            .withDeadlineAfter(3 * Checks.CALL_SECONDS, TimeUnit.SECONDS)
            .listEvents(ListEventsRequest.newBuilder().setFirst(first).build());
    long next = first;
    while (events.hasNext()) {
      long number = events.next().getSequenceNumber();
      Checks.expect(number == next, "number " + number + ", expected " + next);
      next++;
      // The reader's own slowness, which is what is tried here.
      Thread.sleep(1);
    }
    Checks.expect(next > first + LISTED_EVENTS / 2, "only up to " + next);
  }

  /** What the library reports by itself. No answer of the service has a part in it. */
  static void reportStatuses(ManagedChannel channel, String other, String refused) {
    Ledger.HealthCheckRequest request =
        Ledger.HealthCheckRequest.getDefaultInstance();
    Checks.report(
        "an unknown method",
        Checks.failure(
            () ->
                ClientCalls.blockingUnaryCall(
                    channel,
                    ImmutableLedgerGrpc.getHealthCheckMethod().toBuilder()
                        .setFullMethodName("ledger.ImmutableLedger/Nothing")
                        .build(),
                    io.grpc.CallOptions.DEFAULT,
                    request)));
    Checks.report(
        "an answer larger than the client takes",
        Checks.failure(
            () -> Checks.ledger(channel).withMaxInboundMessageSize(1).healthCheck(request)));
    CertifiedEvent large = Checks.event(5 << 20);
    Checks.report(
        "a request of 5 MiB", Checks.failure(() -> Checks.ledger(channel).submitEvent(large)));
    Checks.report(
        "a request larger than the client sends",
        Checks.failure(
            () -> Checks.ledger(channel).withMaxOutboundMessageSize(1_000).submitEvent(large)));
    Checks.report(
        "a request that does not decode",
        Checks.failure(
            () ->
                ClientCalls.blockingUnaryCall(
                    channel,
                    ImmutableLedgerGrpc.getGetEventByIdMethod().toBuilder()
                        .setFullMethodName("ledger.ImmutableLedger/GetEvent")
                        .build(),
                    io.grpc.CallOptions.DEFAULT.withDeadlineAfter(
                        Checks.CALL_SECONDS, TimeUnit.SECONDS),
                    Ledger.GetEventByIdRequest.newBuilder().setEventId("\1").build())));
    for (String[] one :
        new String[][] {{"a refused connection", refused}, {"a server that is not gRPC", other}}) {
      ManagedChannel toOther = Checks.connect(one[1]);
      Checks.report(
          one[0], Checks.failure(() -> Checks.ledger(toOther).healthCheck(request)));
      toOther.shutdownNow();
    }
  }

  static void restarting(ManagedChannel channel) {
    Checks.check(
        "a client finds the service again after a restart, without a new channel",
        () -> {
          CertifiedEvent event = Checks.event(10);
          long number = Checks.ledger(channel).submitEvent(event).getSequenceNumber();
          Iterator<SealedEvent> follow = follow(channel, number);
          follow.next();
          Checks.ask("stop");
          Throwable error = drain(follow);
          Checks.expect(error != null, "it ended OK");
          Checks.report("a stream when the replica stops", error);
          Checks.ask("start");
          long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(3 * Checks.CALL_SECONDS);
          while (true) {
            try {
              Checks.ledger(channel).submitEvent(Checks.event(10));
              break;
            } catch (RuntimeException again) {
              if (System.nanoTime() > deadline) throw again;
              Thread.sleep(50);
            }
          }
          Checks.expect(
              Checks.failure(() -> Checks.ledger(channel).submitEvent(event)),
              Status.Code.ALREADY_EXISTS,
              "DUPLICATE_EVENT");
          Checks.expect(error, Status.Code.UNAVAILABLE, "STOPPING");
        });
    Checks.check(
        "a stream whose connection is cut ends UNAVAILABLE",
        () -> {
          Iterator<SealedEvent> follow = follow(channel, 1);
          follow.next();
          Checks.ask("kill");
          Throwable error = drain(follow);
          Checks.ask("start");
          Checks.expect(error != null, "it ended OK");
          Checks.report("a connection that is cut in the middle", error);
          Checks.expect(error, Status.Code.UNAVAILABLE, "");
        });
  }

  private static Iterator<SealedEvent> follow(ManagedChannel channel, long first) {
    return ImmutableLedgerGrpc.newBlockingStub(channel)
        .withDeadlineAfter(3 * Checks.CALL_SECONDS, TimeUnit.SECONDS)
        .listEvents(ListEventsRequest.newBuilder().setFirst(first).setFollow(true).build());
  }
}
