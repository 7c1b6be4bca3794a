package king.peer;

/** The Avro record GameSession: sums over a machine's frames, and their last hits. It is changed in place. */
final class Session {
    private static final int KEPT = 20;

    byte[] machine = new byte[0];
    int frames;
    int hitCount;
    long score;
    long start = Long.MAX_VALUE;
    long end = Long.MIN_VALUE;
    /** The last hits, oldest first; as many as there were, up to twenty. */
    long[] last = new long[KEPT];
    int kept;

    Session add(Frame frame) {
        machine = frame.machine();
        frames++;
        start = Math.min(start, frame.ts());
        end = Math.max(end, frame.ts());
        hitCount += frame.hits().length;
        for (long hit : frame.hits()) {
            score += Hit.score(hit);
        }
        keep(frame.hits(), frame.hits().length);
        return this;
    }

    Session merge(Session other) {
        if (frames == 0) {
            return other;
        }
        if (other.frames == 0) {
            return this;
        }
        Session older = end <= other.end ? this : other;
        Session newer = older == this ? other : this;
        older.keep(newer.last, newer.kept);
        older.frames += newer.frames;
        older.hitCount += newer.hitCount;
        older.score += newer.score;
        older.start = Math.min(older.start, newer.start);
        older.end = newer.end;
        return older;
    }

    private void keep(long[] hits, int count) {
        int added = Math.min(count, KEPT);
        int stay = Math.min(kept, KEPT - added);
        System.arraycopy(last, kept - stay, last, 0, stay);
        System.arraycopy(hits, count - added, last, stay, added);
        kept = stay + added;
    }
}
