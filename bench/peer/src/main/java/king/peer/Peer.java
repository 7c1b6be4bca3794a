package king.peer;

import java.io.IOException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.SessionBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;

/**
 * The application of docs/SEMANTICS.md with the means of the Kafka Streams DSL: requests joined with their responses, the hits of a
 * machine gathered into sessions, an update of each changed session written at every commit.
 *
 * <p>It does a little less than ours, and never more: it does not decode a response, has no dead letters and no limit on a session's length,
 * and writes no final record.
 */
public final class Peer {
    private static final Duration JOIN_WINDOW = Duration.ofSeconds(3);
    private static final Duration SESSION_GAP = Duration.ofSeconds(10);
    private static final Duration GRACE = Duration.ofSeconds(5);

    private Peer() {}

    /** Runs until standard input closes. */
    public static void main(String[] arguments) throws IOException {
        Options options = Options.parse(arguments);
        Topology topology = topology(options, Settings.of(options));
        KafkaStreams streams = new KafkaStreams(topology, Settings.of(options));
        // A thread that dies ends the program: a slow peer must not be a broken one.
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            Runtime.getRuntime().halt(70);
            return null;
        });
        streams.start();
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
        streams.close(Duration.ofSeconds(2));
        Runtime.getRuntime().halt(0);
    }

    static Topology topology(Options options, Properties settings) {
        StreamsBuilder builder = new StreamsBuilder();
        // Keys and values stay bytes until a pair is found: the join needs only to compare keys, and what never joins is never decoded.
        Consumed<Bytes, byte[]> consumed = Consumed.with(Serdes.Bytes(), Serdes.ByteArray());
        KStream<Bytes, byte[]> requests = builder.stream(options.requests(), consumed);
        KStream<Bytes, byte[]> responses = builder.stream(options.responses(), consumed);

        // The generator puts all frames of a machine into one partition, as the default partitioner would for the machine as key. So the
        // stream is grouped by a serde that writes the machine of a header, where selectKey() would send every frame through another
        // topic and back.
        Serde<Bytes> machine = new MachineOfHeader();
        Serde<Session> session = new SessionSerde(HexFormat.of().parseHex(options.sessionPreamble()));
        requests
            .join(
                responses,
                (request, response) -> request,
                JoinWindows.ofTimeDifferenceAndGrace(JOIN_WINDOW, GRACE),
                StreamJoined.with(Serdes.Bytes(), Serdes.ByteArray(), Serdes.ByteArray()))
            .mapValues(Frame::decode)
            .groupByKey(Grouped.with(machine, null))
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(SESSION_GAP, GRACE))
            .aggregate(
                Session::new,
                (key, frame, sum) -> sum.add(frame),
                (key, one, other) -> one.merge(other),
                Materialized.<Bytes, Session>as(sessionStore(options)).withKeySerde(machine).withValueSerde(session))
            .toStream()
            .to(options.sessions(), Produced.with(new WindowedSerdes.SessionWindowedSerde<>(machine), session));
        return builder.build(settings);
    }

    private static SessionBytesStoreSupplier sessionStore(Options options) {
        Duration retention = SESSION_GAP.plus(GRACE);
        return options.sessionsInMemory()
            ? Stores.inMemorySessionStore("sessions", retention)
            : Stores.persistentSessionStore("sessions", retention);
    }
}
