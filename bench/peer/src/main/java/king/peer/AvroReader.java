package king.peer;

/** Avro's binary encoding, as far as it is used here. */
final class AvroReader {
    private final byte[] bytes;
    private int position;

    AvroReader(byte[] bytes, int position) {
        this.bytes = bytes;
        this.position = position;
    }

    int position() {
        return position;
    }

    void skip(int count) {
        position += count;
    }

    byte readByte() {
        return bytes[position++];
    }

    /** An int or a long: zig-zag, seven bits a byte. */
    long readLong() {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = bytes[position++];
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value >>> 1 ^ -(value & 1);
            }
        }
    }

    /** The number of elements in the next block of an array; 0 at its end. */
    long readBlock() {
        long count = readLong();
        if (count < 0) {
            // The block's length in bytes follows, for those who skip it.
            readLong();
        }
        return Math.abs(count);
    }

    byte[] readBytes(int count) {
        byte[] read = java.util.Arrays.copyOfRange(bytes, position, position + count);
        position += count;
        return read;
    }
}
