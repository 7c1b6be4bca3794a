//! Pages that many visitors get alike: rendered and compressed once a tick, however many ask.

use std::collections::HashMap;
use std::io::Write;

use app::Page;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use model::Millis;
use tokio::sync::Mutex;

/// How old a page may be: the picture has a new frame as often.
const KEPT_MS: Millis = 250;
/// Pages that are kept. There are as many as names by which visitors come.
const MAX_KEPT: usize = 32;
/// Of eleven: more takes more time than the bytes that it saves.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 20;

/// How a page travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

/// What makes a page another one, beside the picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) page: Page,
    pub(super) can_present: bool,
    /// The name by which the visitor came: the page shows it to others.
    pub(super) host: Option<HeaderValue>,
}

/// The pages of this tick.
#[derive(Debug, Default)]
pub struct Rendered(Mutex<HashMap<Variant, Kept>>);

#[derive(Debug)]
struct Kept {
    at_ms: Millis,
    html: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
}

impl Coding {
    /// The best that a browser takes.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let is_taken = |name: &str| {
            let offers = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
            offers.flat_map(|offer| offer.split(',')).any(|offer| {
                let (coding, weight) = offer.split_once(';').unwrap_or((offer, ""));
                let weight = weight.trim().strip_prefix("q=").unwrap_or("1").trim();
                coding.trim().eq_ignore_ascii_case(name) && weight.parse::<f32>().is_ok_and(|q| q > 0.0)
            })
        };
        if is_taken("br") {
            Self::Brotli
        } else if is_taken("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    /// What a header calls it.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// A page as it travels.
    pub(super) fn encode(self, html: &[u8]) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Brotli => {
                let mut encoder =
                    brotli::CompressorWriter::new(Vec::new(), 4_096, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.write_all(html)?;
                encoder.into_inner().into()
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(html)?;
                encoder.finish()?.into()
            }
            Self::Identity => Bytes::copy_from_slice(html),
        })
    }
}

impl Rendered {
    /// The page of this tick; whoever asks first makes it, and the others wait for that.
    pub(super) async fn get(
        &self,
        variant: Variant,
        coding: Coding,
        now_ms: Millis,
        render: impl FnOnce() -> String,
    ) -> std::io::Result<Bytes> {
        let is_fresh = |kept: &Kept| now_ms < kept.at_ms + KEPT_MS;
        let mut all = self.0.lock().await;
        if !all.get(&variant).is_some_and(is_fresh) {
            if all.len() >= MAX_KEPT {
                all.retain(|_, kept| is_fresh(kept));
            }
            if all.len() >= MAX_KEPT {
                // Nobody else waits for a page that is not kept.
                drop(all);
                return coding.encode(render().as_bytes());
            }
            let html = Bytes::from(render());
            all.insert(variant.clone(), Kept { at_ms: now_ms, html, brotli: None, gzip: None });
        }
        let Some(Kept { html, brotli, gzip, .. }) = all.get_mut(&variant) else {
            return Err(std::io::Error::other("a page is gone"));
        };
        let kept = match coding {
            Coding::Identity => return Ok(html.clone()),
            Coding::Brotli => brotli,
            Coding::Gzip => gzip,
        };
        match kept {
            Some(encoded) => Ok(encoded.clone()),
            None => Ok(kept.insert(coding.encode(html)?).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read;

    use super::*;

    #[test]
    fn the_best_coding_that_is_taken_is_chosen() {
        for (offer, expected) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("br;q=0, GZIP;q=0.5", Coding::Gzip),
            ("deflate", Coding::Identity),
            ("", Coding::Identity),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(offer))]);
            assert_eq!(Coding::accepted(&headers), expected, "{offer}");
        }
        assert_eq!(Coding::accepted(&HeaderMap::new()), Coding::Identity);
    }

    #[test]
    fn every_coding_gives_the_page_back() {
        let html = "<p>Lag</p>".repeat(500);
        let brotli = Coding::Brotli.encode(html.as_bytes()).unwrap();
        let mut plain = String::new();
        brotli::Decompressor::new(&brotli[..], 4_096).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, html);
        let gzip = Coding::Gzip.encode(html.as_bytes()).unwrap();
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, html);
        assert!(brotli.len() < gzip.len() && gzip.len() < 200, "{} {}", brotli.len(), gzip.len());
    }

    #[tokio::test]
    async fn a_page_is_rendered_once_a_tick_for_everybody_who_gets_the_same() {
        let (pages, count) = (Rendered::default(), Cell::new(0));
        let get = async |can_present, coding, now_ms| {
            let variant = Variant { page: Page::Show, can_present, host: None };
            let render = || {
                count.set(count.get() + 1);
                format!("{can_present} {}", count.get())
            };
            pages.get(variant, coding, now_ms, render).await.unwrap()
        };
        let first = get(false, Coding::Brotli, 1_000).await;
        for _ in 0..9 {
            assert_eq!(get(false, Coding::Brotli, 1_249).await, first);
            get(false, Coding::Gzip, 1_249).await;
            assert_eq!(get(false, Coding::Identity, 1_249).await, "false 1");
        }
        assert_eq!(count.get(), 1);
        assert_eq!(get(true, Coding::Identity, 1_249).await, "true 2");
        assert_eq!(get(false, Coding::Identity, 1_250).await, "false 3");
    }

    #[tokio::test]
    async fn many_names_take_no_more_memory() {
        let pages = Rendered::default();
        for number in 0..3 * MAX_KEPT {
            let host = Some(HeaderValue::from(number));
            let variant = Variant { page: Page::Show, can_present: false, host };
            let html = pages.get(variant, Coding::Identity, 1_000, || number.to_string()).await.unwrap();
            assert_eq!(html, number.to_string());
        }
        assert_eq!(pages.0.lock().await.len(), MAX_KEPT);
    }
}
