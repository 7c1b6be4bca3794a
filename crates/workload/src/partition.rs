//! Which partition a machine's frames go to: murmur2 on the id's bytes, as Kafka's default partitioner hashes a key.

/// The partition of a machine, given as its six digits. All of a machine's frames meet there.
///
/// With no partitions there is no choice: the answer is 0.
#[must_use]
pub fn partition_for(machine: &str, partitions: u32) -> u32 {
    let positive = murmur2(machine.as_bytes()) & 0x7fff_ffff;
    positive.checked_rem(partitions).unwrap_or(0)
}

/// `org.apache.kafka.common.utils.Utils.murmur2`, in unsigned arithmetic.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // A key of more than 4 GiB cannot come from Kafka, so the length always fits.
    let mut hash = SEED ^ (data.len() as u32);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (position, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * position);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_test() {
        // From org.apache.kafka.common.utils.UtilsTest.testMurmur2.
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), hash as u32, "{text}");
        }
    }

    #[test]
    fn no_partitions_leave_no_choice() {
        assert_eq!(partition_for("000042", 0), 0);
        assert!(partition_for("000042", 12) < 12);
    }
}
