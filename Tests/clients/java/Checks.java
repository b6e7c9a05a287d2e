import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import ledger.ImmutableLedgerGrpc;
import ledger.Ledger.CertifiedEvent;
import ledger.Ledger.SealedEvent;

/**
 * Checks of a running ledger with grpc-java and its default settings.
 *
 * <p>It prints a line for each check. Where the service has to be stopped or started it prints
 * "ask" and what, and waits for a line on its standard input.
 */
public final class Checks {
  /** Long enough for a debug build on a busy machine. */
  static final int CALL_SECONDS = 30;

  private static final BufferedReader input =
      new BufferedReader(new InputStreamReader(System.in));
  private static final ExecutorService workers = Executors.newCachedThreadPool();
  private static final String run = "java-" + UUID.randomUUID().toString().substring(0, 8);
  private static int count;
  private static int passed;
  private static int failed;

  private Checks() {}

  static ManagedChannel connect(String address) {
    return ManagedChannelBuilder.forTarget(address).usePlaintext().build();
  }

  static ImmutableLedgerGrpc.ImmutableLedgerBlockingStub ledger(ManagedChannel channel) {
    return ImmutableLedgerGrpc.newBlockingStub(channel)
        .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
  }

  /** A valid event with an id that no other has. */
  static CertifiedEvent event(int size) {
    count++;
    return CertifiedEvent.newBuilder()
        .setEventId(run + "-" + count)
        .setPayload(com.google.protobuf.ByteString.copyFrom(new byte[size]))
        .build();
  }

  /** The ledger's ErrorInfo in the details; an empty one where there is none. */
  static ErrorInfo info(Throwable error) {
    for (Any detail : details(error)) {
      try {
        if (!detail.is(ErrorInfo.class)) continue;
        ErrorInfo found = detail.unpack(ErrorInfo.class);
        if (found.getDomain().equals("ledger")) return found;
      } catch (InvalidProtocolBufferException broken) {
        break;
      }
    }
    return ErrorInfo.getDefaultInstance();
  }

  /** The original event in the details, or null. */
  static SealedEvent original(Throwable error) throws InvalidProtocolBufferException {
    for (Any detail : details(error)) {
      // The service names the message by its package, which protoc's Java code knows as well.
      if (detail.getTypeUrl().endsWith("/ledger.SealedEvent"))
        return SealedEvent.parseFrom(detail.getValue());
    }
    return null;
  }

  private static java.util.List<Any> details(Throwable error) {
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    return status == null ? java.util.List.of() : status.getDetailsList();
  }

  static void expect(boolean condition, String message) {
    if (!condition) throw new AssertionError(message);
  }

  /** Fails unless the error has the code and, where it is not empty, the reason. */
  static void expect(Throwable error, Status.Code code, String reason) {
    Status.Code found = Status.fromThrowable(error).getCode();
    String said = info(error).getReason();
    expect(
        found == code && (reason.isEmpty() || said.equals(reason)),
        "expected " + code + "/" + reason + ", got " + found + "/" + said + ": " + error);
  }

  /** Makes a call that must fail, and returns how it did. */
  static Throwable failure(Callable<?> call) {
    try {
      call.call();
    } catch (Exception error) {
      return error;
    }
    throw new AssertionError("the call is OK");
  }

  /** A check's body. */
  interface Body {
    void run() throws Exception;
  }

  /** Runs one check and prints how it went. */
  static void check(String sentence, Body body) {
    Future<?> running =
        workers.submit(
            () -> {
              body.run();
              return null;
            });
    String said = null;
    try {
      running.get(4 * CALL_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException late) {
      said = "it hangs";
    } catch (java.util.concurrent.ExecutionException error) {
      said = String.valueOf(error.getCause()).replace("\n", " ");
    } catch (InterruptedException error) {
      said = "interrupted";
    }
    if (said == null) {
      passed++;
      System.out.println("ok    " + sentence);
    } else {
      failed++;
      System.out.println("FAIL  " + sentence + ": " + said);
    }
  }

  /** Has the service stopped or started, and returns when that is done. */
  static void ask(String what) throws IOException {
    System.out.println("ask " + what);
    if (input.readLine() == null) System.exit(2);
  }

  /** Says which code this library reports; the caller of this program makes a table of it. */
  static void report(String what, Throwable error) {
    Status.Code code = Status.fromThrowable(error).getCode();
    System.out.println("status " + what + ": " + code + " " + info(error).getReason());
  }

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel = connect(arguments[0]);
    SubmittingChecks.run(channel);
    ReadingChecks.run(channel);
    ReadingChecks.reportStatuses(channel, arguments[1], arguments[2]);
    ReadingChecks.restarting(channel);
    channel.shutdownNow();
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }
}
