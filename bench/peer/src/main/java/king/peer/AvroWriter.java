package king.peer;

/** Avro's binary encoding, as far as it is used here, into a buffer that is kept. */
final class AvroWriter {
    private byte[] bytes = new byte[512];
    private int position;

    void clear() {
        position = 0;
    }

    void writeByte(int value) {
        if (position == bytes.length) {
            bytes = java.util.Arrays.copyOf(bytes, 2 * bytes.length);
        }
        bytes[position++] = (byte) value;
    }

    /** An int or a long: zig-zag, seven bits a byte. */
    void writeLong(long value) {
        long rest = value << 1 ^ value >> 63;
        while ((rest & ~0x7fL) != 0) {
            writeByte((int) (rest & 0x7f) | 0x80);
            rest >>>= 7;
        }
        writeByte((int) rest);
    }

    void writeBytes(byte[] value) {
        for (byte one : value) {
            writeByte(one);
        }
    }

    byte[] toBytes() {
        return java.util.Arrays.copyOf(bytes, position);
    }
}
