package king.peer;

import java.util.Arrays;

/**
 * One hit, packed into a long: a byte each for impact, key, second key, direction, type of impact, level and game. Enums are numbered as in
 * the Avro schema; an optional one is 0 when it is absent, else 1 more than its number.
 */
final class Hit {
    /** No hit: the text was not exactly one. */
    static final long NONE = -1;

    private static final int PRESENT = 0xff;
    private static final byte[] NIBBLES = table("0123456789abcdef");
    private static final byte[] KEYS = table(0xe3, 0xc3);
    private static final byte[] DIRECTIONS = table(0x8a, 0x8c, 0x8e, 0x8d);
    private static final byte[] IMPACTS = table(0x72, 0x4f, 0xa2, 0xb1, 0x1f);
    private static final byte[] LEVELS = table(0xf9, 0xe9, 0xd9);
    private static final byte[] GAMES = table(0xa5, 0xb5, 0xc5, 0xd5, 0xe5);
    private static final int MISSED = 4;
    /** Fatal, Critical, Special, Direct, Missed. */
    private static final int[] WEIGHTS = {5, 3, 2, 1, 0};

    private Hit() {}

    /** The hit that these hexadecimal digits are, or {@link #NONE}. */
    static long decodeHex(byte[] text, int from, int digits) {
        if (digits < 12 || digits > 18 || digits % 2 != 0) {
            return NONE;
        }
        int end = from + digits;
        int at = from;
        int bad = 0;
        int key = KEYS[octet(text, at)];
        at += 2;
        int direction = 0;
        int marker = octet(text, at);
        at += 2;
        if (marker == PRESENT) {
            direction = DIRECTIONS[octet(text, at)] + 1;
            bad |= direction - 1;
            at += 2;
        } else {
            bad |= -marker;
        }
        int type = IMPACTS[octet(text, at)];
        at += 2;
        int impact = 0;
        if (type != MISSED && at < end) {
            impact = octet(text, at);
            at += 2;
        }
        int second = 0;
        marker = at < end ? octet(text, at) : 1;
        at += 2;
        if (marker == PRESENT && at < end) {
            second = KEYS[octet(text, at)] + 1;
            bad |= second - 1;
            at += 2;
        } else {
            bad |= -marker;
        }
        if (at + 4 != end) {
            return NONE;
        }
        int level = LEVELS[octet(text, at)];
        int game = GAMES[octet(text, at + 2)];
        bad |= key | type | impact | level | game;
        return bad < 0
            ? NONE
            : impact | key << 8 | second << 16 | direction << 24 | (long) type << 32 | (long) level << 40 | (long) game << 48;
    }

    /** What it is worth. */
    static int score(long hit) {
        int keys = part(hit, 16) == 0 ? 1 : 2;
        return part(hit, 0) * WEIGHTS[part(hit, 32)] * keys;
    }

    /** Writes the Avro record Hit. */
    static void write(long hit, AvroWriter out) {
        out.writeLong(part(hit, 0));
        out.writeLong(part(hit, 8));
        writeOptional(part(hit, 16), out);
        writeOptional(part(hit, 24), out);
        out.writeLong(part(hit, 32));
        out.writeLong(part(hit, 40));
        out.writeLong(part(hit, 48));
    }

    /** Reads the Avro record Hit. */
    static long read(AvroReader in) {
        long hit = in.readLong() | in.readLong() << 8;
        hit |= readOptional(in) << 16;
        hit |= readOptional(in) << 24;
        return hit | in.readLong() << 32 | in.readLong() << 40 | in.readLong() << 48;
    }

    private static void writeOptional(int value, AvroWriter out) {
        out.writeLong(value == 0 ? 0 : 1);
        if (value != 0) {
            out.writeLong(value - 1);
        }
    }

    private static long readOptional(AvroReader in) {
        return in.readLong() == 0 ? 0 : in.readLong() + 1;
    }

    private static int part(long hit, int shift) {
        return (int) (hit >>> shift) & 0xff;
    }

    /** Two digits as a number; 0 of what is no digit, which no table knows. */
    private static int octet(byte[] text, int at) {
        return (NIBBLES[text[at] & 0xff] << 4 | NIBBLES[text[at + 1] & 0xff]) & 0xff;
    }

    /** The number of each byte; -1 for those that have no meaning. */
    private static byte[] table(int... values) {
        byte[] table = new byte[256];
        Arrays.fill(table, (byte) -1);
        for (int number = 0; number < values.length; number++) {
            table[values[number]] = (byte) number;
        }
        return table;
    }

    private static byte[] table(String digits) {
        return table(digits.chars().toArray());
    }
}
