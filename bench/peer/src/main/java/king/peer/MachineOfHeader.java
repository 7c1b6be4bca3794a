package king.peer;

import java.util.Arrays;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;

/** Writes the machine of a frame's header; what it reads back is the machine alone. */
final class MachineOfHeader implements Serde<Bytes> {
    private static final int DIGITS = 6;
    private static final int PREAMBLE = 10;

    @Override
    public Serializer<Bytes> serializer() {
        return (topic, key) -> key.get().length == DIGITS ? key.get() : machine(key.get());
    }

    @Override
    public Deserializer<Bytes> deserializer() {
        return (topic, bytes) -> Bytes.wrap(bytes);
    }

    private static byte[] machine(byte[] header) {
        int at = PREAMBLE;
        // The last byte of `ts` has no high bit; the machine's length takes one byte.
        while (header[at] < 0) {
            at++;
        }
        return Arrays.copyOfRange(header, at + 2, at + 2 + DIGITS);
    }
}
