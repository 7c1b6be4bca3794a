package king.peer;

import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Sessions in Avro's single-object encoding, in the store as in the topic; used by one thread only. */
final class SessionSerde implements Serde<Session> {
    private final byte[] preamble;
    private final AvroWriter out = new AvroWriter();

    SessionSerde(byte[] preamble) {
        this.preamble = preamble;
    }

    @Override
    public Serializer<Session> serializer() {
        return (topic, session) -> session == null ? null : write(session);
    }

    @Override
    public Deserializer<Session> deserializer() {
        return (topic, bytes) -> bytes == null ? null : read(bytes);
    }

    private byte[] write(Session session) {
        out.clear();
        out.writeBytes(preamble);
        if (session.kept > 0) {
            out.writeLong(session.kept);
            for (int position = 0; position < session.kept; position++) {
                Hit.write(session.last[position], out);
            }
        }
        out.writeLong(0);
        out.writeLong(session.machine.length);
        out.writeBytes(session.machine);
        out.writeLong(session.frames);
        out.writeLong(session.hitCount);
        out.writeLong(session.score);
        out.writeLong(session.start);
        out.writeLong(session.end);
        out.writeByte(0);
        return out.toBytes();
    }

    private Session read(byte[] bytes) {
        AvroReader in = new AvroReader(bytes, preamble.length);
        Session session = new Session();
        for (long left = in.readBlock(); left != 0; left = in.readBlock()) {
            for (; left > 0; left--) {
                session.last[session.kept++] = Hit.read(in);
            }
        }
        session.machine = in.readBytes((int) in.readLong());
        session.frames = (int) in.readLong();
        session.hitCount = (int) in.readLong();
        session.score = in.readLong();
        session.start = in.readLong();
        session.end = in.readLong();
        return session;
    }
}
