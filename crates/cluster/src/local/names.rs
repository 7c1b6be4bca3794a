//! Names as Kubernetes gives them: the Deployment's, the ReplicaSet's hash, five characters of its own.

use model::DEPLOYMENT;
use rand::RngExt;
use rand::rngs::StdRng;

/// Kubernetes leaves out vowels, and what is easily misread for one, so that no name is a word.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The part of a ReplicaSet's name that stands for its template, for example `7c9d8f6b5`.
pub(super) fn replica_set_hash(rng: &mut StdRng) -> String {
    let length = rng.random_range(9..=10);
    characters(rng, length)
}

/// A pod's name, for example `kstreams-7c9d8f6b5-kx7w2`.
pub(super) fn pod(rng: &mut StdRng, replica_set_hash: &str) -> String {
    format!("{DEPLOYMENT}-{replica_set_hash}-{}", characters(rng, 5))
}

fn characters(rng: &mut StdRng, length: usize) -> String {
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn names_look_like_kubernetes_and_follow_from_the_seed() {
        let name = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let hash = replica_set_hash(&mut rng);
            pod(&mut rng, &hash)
        };
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
        let parts: Vec<String> = name(1).split('-').map(str::to_owned).collect();
        assert_eq!(parts[0], "kstreams");
        assert!((9..=10).contains(&parts[1].len()) && parts[2].len() == 5, "{parts:?}");
    }
}
