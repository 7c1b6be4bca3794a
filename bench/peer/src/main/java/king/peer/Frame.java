package king.peer;

import org.apache.kafka.common.utils.Bytes;

/**
 * A joined frame: when, and what it held. Avro's single-object encoding is read by hand, straight into the few numbers that are needed: faster
 * than Avro's own readers.
 *
 * @param ts milliseconds since the epoch
 * @param machine six digits
 * @param hits the hits that decode, packed
 */
record Frame(long ts, byte[] machine, long[] hits) {
    private static final int PREAMBLE = 10;
    private static final int MOST_HITS = 64;

    static Frame decode(Bytes header, byte[] body) {
        AvroReader key = new AvroReader(header.get(), PREAMBLE);
        long ts = key.readLong();
        byte[] machine = key.readBytes((int) key.readLong());

        AvroReader value = new AvroReader(body, PREAMBLE);
        if (value.readLong() == 1) {
            value.readByte();
        }
        long[] hits = new long[5];
        int count = 0;
        for (long left = value.readBlock(); left != 0; left = value.readBlock()) {
            for (; left > 0; left--) {
                int digits = (int) value.readLong();
                long hit = Hit.decodeHex(body, value.position(), digits);
                value.skip(digits);
                if (hit != Hit.NONE) {
                    if (count == MOST_HITS) {
                        throw new IllegalArgumentException("too many hits in a frame");
                    }
                    if (count == hits.length) {
                        hits = java.util.Arrays.copyOf(hits, MOST_HITS);
                    }
                    hits[count++] = hit;
                }
            }
        }
        return new Frame(ts, machine, count == hits.length ? hits : java.util.Arrays.copyOf(hits, count));
    }
}
