//! Who asks, and may they? As every API server behind the aggregation layer decides it.
//!
//! The API server in front has a client certificate and says in headers for whom it asks ([`FrontProxy`]). Whoever
//! comes directly shows a bearer token, which the cluster reviews. What the user may do is the cluster's word too
//! ([`Reviews`]), kept for ten seconds.

mod attributes;
mod cache;
mod front_proxy;
mod reviews;
mod user;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, header};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

pub use attributes::Attributes;
use cache::Cache;
pub use front_proxy::{FrontProxy, FrontProxyError};
pub use reviews::{KubeReviews, ReviewError, Reviews};
pub use user::User;

/// How long a review's outcome holds.
const REVIEW_HOLDS: Duration = Duration::from_secs(10);

/// The certificates that the other end of a connection showed and has the key of, its own first. Whose they are is not
/// checked yet.
#[derive(Debug, Clone, Default)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody knows who asks.
    #[error("who asks? Neither a front proxy's certificate nor a valid bearer token was shown")]
    Unauthenticated,
    /// The user may not.
    #[error("{user} may not {attributes}{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Forbidden {
        /// Who asks.
        user: String,
        /// What for.
        attributes: Attributes,
        /// What the cluster says.
        reason: Option<String>,
    },
    /// The cluster could not be asked; a retry may help.
    #[error(transparent)]
    Review(#[from] ReviewError),
}

/// Decides on requests.
pub struct Access {
    front_proxy: watch::Receiver<Option<Arc<FrontProxy>>>,
    reviews: Box<dyn Reviews>,
    tokens: Cache<[u8; 32], Option<User>>,
    permits: Cache<(User, Attributes), Result<(), Option<String>>>,
}

impl Access {
    /// Decides by the newest configuration of the front proxy, and by these reviews.
    pub fn new(front_proxy: watch::Receiver<Option<Arc<FrontProxy>>>, reviews: Box<dyn Reviews>) -> Self {
        Self { front_proxy, reviews, tokens: Cache::new(REVIEW_HOLDS), permits: Cache::new(REVIEW_HOLDS) }
    }

    /// Who asks, if they may. Takes everything out of the headers that claims an identity: nobody behind this can
    /// mistake it for one.
    ///
    /// # Errors
    /// Why the request is refused.
    pub async fn admit(&self, request: &mut Parts) -> Result<User, Refused> {
        let user = self.identify(request).await?;
        let attributes = Attributes::of(&request.method, request.uri.path());
        self.permit(&user, attributes).await?;
        Ok(user)
    }

    async fn identify(&self, request: &mut Parts) -> Result<User, Refused> {
        let front_proxy = self.front_proxy.borrow().clone();
        let token = bearer_token(&request.headers);
        request.headers.remove(header::AUTHORIZATION);
        if let Some(front_proxy) = front_proxy {
            let claimed = front_proxy.take_user(&mut request.headers);
            let certificates = request.extensions.get::<PeerCertificates>().cloned().unwrap_or_default();
            if let Some(user) = claimed.filter(|_| front_proxy.trusts(&certificates.0)) {
                return Ok(user);
            }
        }
        let token = token.ok_or(Refused::Unauthenticated)?;
        let key = sha256(&token);
        let user = match self.tokens.get(&key) {
            Some(user) => user,
            None => {
                let user = self.reviews.token(&token).await?;
                self.tokens.put(key, user.clone());
                user
            }
        };
        user.ok_or(Refused::Unauthenticated)
    }

    async fn permit(&self, user: &User, attributes: Attributes) -> Result<(), Refused> {
        // Every user of a cluster may see what there is, and its API server asks as a user without groups, whom no role
        // knows.
        if attributes.is_discovery() {
            return Ok(());
        }
        let key = (user.clone(), attributes);
        let outcome = match self.permits.get(&key) {
            Some(outcome) => outcome,
            None => {
                let outcome = self.reviews.permit(user, &key.1).await?;
                self.permits.put(key.clone(), outcome.clone());
                outcome
            }
        };
        outcome.map_err(|reason| Refused::Forbidden { user: key.0.name, attributes: key.1, reason })
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// Tokens are not kept, only what tells them apart.
fn sha256(token: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests;
