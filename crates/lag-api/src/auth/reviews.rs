//! The cluster's word on tokens and permissions: TokenReview and SubjectAccessReview.

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Attributes, User};

/// The cluster could not be asked; a retry may help.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// TokenReview
    #[error("the cluster did not say whose token it is")]
    Token(#[source] Box<kube::Error>),
    /// SubjectAccessReview
    #[error("the cluster did not say what the user may do")]
    Access(#[source] Box<kube::Error>),
}

/// Says whose a token is, and what a user may do.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// The user of a bearer token; `None` where it is nobody's.
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError>;

    /// Whether the user may; otherwise the reason, where there is one.
    async fn permit(
        &self,
        user: &User,
        attributes: &Attributes,
    ) -> Result<Result<(), Option<String>>, ReviewError>;
}

/// The reviews of a cluster.
pub struct KubeReviews {
    tokens: Api<TokenReview>,
    accesses: Api<SubjectAccessReview>,
}

impl KubeReviews {
    /// Asks this cluster.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { tokens: Api::all(client.clone()), accesses: Api::all(client) }
    }
}

#[async_trait]
impl Reviews for KubeReviews {
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..Default::default() };
        let review = TokenReview { spec, ..Default::default() };
        let answer = self.tokens.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| ReviewError::Token(Box::new(error)))?.status.unwrap_or_default();
        let user = status.user.filter(|_| status.authenticated == Some(true));
        Ok(user.map(|user| User {
            name: user.username.unwrap_or_default(),
            uid: user.uid.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default(),
        }))
    }

    async fn permit(
        &self,
        user: &User,
        attributes: &Attributes,
    ) -> Result<Result<(), Option<String>>, ReviewError> {
        let review = SubjectAccessReview { spec: spec(user, attributes), ..Default::default() };
        let answer = self.accesses.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| ReviewError::Access(Box::new(error)))?.status.unwrap_or_default();
        let allowed = status.allowed && status.denied != Some(true);
        Ok(if allowed { Ok(()) } else { Err(status.reason.filter(|reason| !reason.is_empty())) })
    }
}

fn spec(user: &User, attributes: &Attributes) -> SubjectAccessReviewSpec {
    let mut spec = SubjectAccessReviewSpec {
        user: Some(user.name.clone()),
        uid: Some(user.uid.clone()).filter(|uid| !uid.is_empty()),
        groups: Some(user.groups.clone()),
        extra: Some(user.extra.clone()),
        ..Default::default()
    };
    match attributes.clone() {
        Attributes::Path { verb, path } => {
            spec.non_resource_attributes = Some(NonResourceAttributes { verb: Some(verb), path: Some(path) });
        }
        Attributes::Resource { verb, group, version, namespace, resource, subresource, name } => {
            spec.resource_attributes = Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group),
                version: Some(version),
                namespace: Some(namespace),
                resource: Some(resource),
                subresource: Some(subresource),
                name: Some(name),
                ..Default::default()
            });
        }
    }
    spec
}
