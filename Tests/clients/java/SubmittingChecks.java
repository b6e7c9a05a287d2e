import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import ledger.ImmutableLedgerGrpc;
import ledger.Ledger.CertifiedEvent;
import ledger.Ledger.SealedEvent;
import ledger.Ledger.SubmitResult;

/** Checks of submitting events. */
final class SubmittingChecks {
  private static final int MEBIBYTE = 1 << 20;

  private SubmittingChecks() {}

  /** One stream of submissions, and what came back over it. */
  static final class Stream implements StreamObserver<SubmitResult> {
    private final BlockingQueue<Object> answers = new LinkedBlockingQueue<>();
    final StreamObserver<CertifiedEvent> requests;

    Stream(ImmutableLedgerGrpc.ImmutableLedgerStub stub) {
      requests = stub.submitEvents(this);
    }

    @Override
    public void onNext(SubmitResult result) {
      answers.add(result.hasRejection() ? result.getRejection().getReason() : "sealed");
    }

    @Override
    public void onError(Throwable error) {
      answers.add(error);
    }

    @Override
    public void onCompleted() {
      answers.add(Status.OK);
    }

    /** What came next: a reason, "sealed", a failure or OK at the end. */
    Object next() throws InterruptedException {
      Object answer = answers.poll(Checks.CALL_SECONDS, TimeUnit.SECONDS);
      Checks.expect(answer != null, "no answer");
      return answer;
    }
  }

  static ImmutableLedgerGrpc.ImmutableLedgerStub stub(ManagedChannel channel) {
    return ImmutableLedgerGrpc.newStub(channel)
        .withDeadlineAfter(Checks.CALL_SECONDS, TimeUnit.SECONDS);
  }

  /** Sends events in one stream and compares what comes back. */
  private static void expectStream(
      ImmutableLedgerGrpc.ImmutableLedgerStub stub, List<CertifiedEvent> events, Object... expected)
      throws InterruptedException {
    Stream stream = new Stream(stub);
    events.forEach(stream.requests::onNext);
    stream.requests.onCompleted();
    for (Object answer : expected) {
      Object found = stream.next();
      Checks.expect(found.equals(answer), "expected " + answer + ", got " + found);
    }
  }

  static void run(ManagedChannel channel) {
    Checks.check(
        "an event is sealed, its repetition is a duplicate with the original",
        () -> {
          CertifiedEvent event = Checks.event(100);
          SealedEvent sealed = Checks.ledger(channel).submitEvent(event);
          Throwable error = Checks.failure(() -> Checks.ledger(channel).submitEvent(event));
          Checks.expect(error, Status.Code.ALREADY_EXISTS, "DUPLICATE_EVENT");
          SealedEvent original = Checks.original(error);
          Checks.expect(
              original != null && original.getSequenceNumber() == sealed.getSequenceNumber(),
              "no original in " + error);
        });
    Checks.check(
        "other content under the same id is conflicting, and says which fields differ",
        () -> {
          CertifiedEvent event = Checks.event(100);
          Checks.ledger(channel).submitEvent(event);
          CertifiedEvent other = event.toBuilder().putMetadata("k", "v").build();
          Throwable error = Checks.failure(() -> Checks.ledger(channel).submitEvent(other));
          Checks.expect(error, Status.Code.ALREADY_EXISTS, "CONFLICTING_EVENT");
          String differs = Checks.info(error).getMetadataOrDefault("differs", "");
          Checks.expect(differs.equals("metadata"), "differs is '" + differs + "' in " + error);
        });
    for (int size : new int[] {49_153, 200_000, 3 * MEBIBYTE}) {
      Checks.check(
          "a payload of " + size + " bytes is INVALID_EVENT",
          () ->
              Checks.expect(
                  Checks.failure(() -> Checks.ledger(channel).submitEvent(Checks.event(size))),
                  Status.Code.INVALID_ARGUMENT,
                  "INVALID_EVENT"));
      Checks.check(
          "a payload of " + size + " bytes in a stream is refused alone",
          () ->
              expectStream(
                  stub(channel),
                  List.of(Checks.event(1), Checks.event(size), Checks.event(1)),
                  "sealed",
                  "INVALID_EVENT",
                  "sealed",
                  Status.OK));
    }
    Checks.check(
        "a message of 5 MiB is RESOURCE_EXHAUSTED with a reason",
        () -> {
          Throwable error =
              Checks.failure(() -> Checks.ledger(channel).submitEvent(Checks.event(5 * MEBIBYTE)));
          Checks.expect(error, Status.Code.RESOURCE_EXHAUSTED, "");
          Checks.expect(!Checks.info(error).getReason().isEmpty(), "no ErrorInfo: " + error);
        });
    Checks.check(
        "a message of 5 MiB ends its stream, and earlier answers stand",
        () -> {
          Stream stream = new Stream(stub(channel));
          stream.requests.onNext(Checks.event(1));
          Checks.expect(stream.next().equals("sealed"), "the first event was not sealed");
          stream.requests.onNext(Checks.event(5 * MEBIBYTE));
          Object end = stream.next();
          Checks.expect(end instanceof Throwable, "answered " + end);
          Checks.expect((Throwable) end, Status.Code.RESOURCE_EXHAUSTED, "");
        });
    Checks.check(
        "events compressed with gzip are sealed",
        () -> {
          Checks.ledger(channel).withCompression("gzip").submitEvent(Checks.event(1_000));
          expectStream(
              stub(channel).withCompression("gzip"),
              List.of(Checks.event(1), Checks.event(200_000)),
              "sealed",
              "INVALID_EVENT",
              Status.OK);
        });
    Checks.check(
        "the longest deadline that Java has is an ordinary one",
        () ->
            ImmutableLedgerGrpc.newBlockingStub(channel)
                .withDeadlineAfter(Long.MAX_VALUE, TimeUnit.NANOSECONDS)
                .submitEvent(Checks.event(1)));
    Checks.check("17 kB of metadata fail their call, and no other", () -> longMetadata(channel));
  }

  private static void longMetadata(ManagedChannel channel) throws Exception {
    Stream beside = new Stream(stub(channel));
    beside.requests.onNext(Checks.event(1));
    Checks.expect(beside.next().equals("sealed"), "the stream beside it: not sealed");
    Metadata metadata = new Metadata();
    metadata.put(
        Metadata.Key.of("x-long", Metadata.ASCII_STRING_MARSHALLER), "a".repeat(17_000));
    Checks.failure(
        () ->
            Checks.ledger(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .submitEvent(Checks.event(1)));
    beside.requests.onNext(Checks.event(1));
    Object answer = beside.next();
    Checks.expect(answer.equals("sealed"), "the stream beside it: " + answer);
    beside.requests.onCompleted();
  }
}
