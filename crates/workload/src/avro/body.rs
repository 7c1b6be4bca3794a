//! A frame's value as it is read: its hits travel as text.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::frame::MAX_HITS;
use crate::{FrameBody, Hit};

impl<'de> Deserialize<'de> for FrameBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Record {
            approval: Option<bool>,
            bytes: Hits,
        }

        let Record { approval, bytes: Hits { hits, bad_hits } } = Record::deserialize(deserializer)?;
        Ok(Self { approval, hits, bad_hits })
    }
}

struct Hits {
    hits: Vec<Hit>,
    bad_hits: u32,
}

impl<'de> Deserialize<'de> for Hits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HitsVisitor;

        impl<'de> Visitor<'de> for HitsVisitor {
            type Value = Hits;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("hits in hex")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Hits, A::Error> {
                let mut read = Hits { hits: Vec::new(), bad_hits: 0 };
                for position in 0.. {
                    let Some(hex) = sequence.next_element::<&str>()? else { break };
                    if position == MAX_HITS {
                        return Err(de::Error::custom("too many hits in a frame"));
                    }
                    match Hit::from_hex(hex) {
                        Ok(hit) => read.hits.push(hit),
                        Err(_) => read.bad_hits += 1,
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_seq(HitsVisitor)
    }
}
