//! What a program that reads or writes records holds: a codec, and the registry behind it if there is one.

use workload::avro::Codec;

use super::{Error, Registry, RegistryConfig, Topics, patiently};

/// A codec for our topics, and whom to ask about what it does not know. Cheap to clone; clones share what they learn.
#[derive(Debug, Clone)]
pub struct Schemas {
    codec: Codec,
    registry: Option<Registry>,
}

impl Schemas {
    /// With a registry, its ids: waits for it as long as it is away. Without one, the single-object encoding, at once.
    ///
    /// # Errors
    /// Any that is not retryable.
    pub async fn connect(config: Option<&RegistryConfig>, topics: Topics) -> Result<Self, Error> {
        let Some(config) = config else {
            return Ok(Self { codec: Codec::single_object(), registry: None });
        };
        let registry = Registry::new(config)?;
        let codec = patiently(|| registry.codec(&topics)).await?;
        Ok(Self { codec, registry: Some(registry) })
    }

    /// Encodes and decodes.
    #[must_use]
    pub const fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Finds out about an id that the codec does not know
    /// ([`DecodeError::UnknownId`](workload::avro::DecodeError::UnknownId)): one question, see [`Registry::explain`].
    /// Without a registry nobody can tell, and records with the id are foreign from then on.
    ///
    /// # Errors
    /// Those of [`Registry::explain`]. After a retryable one the same record should be tried again later, for it may be
    /// a good one; [`patiently`] does that.
    pub async fn explain(&self, id: u32) -> Result<(), Error> {
        match &self.registry {
            Some(registry) => registry.explain(&self.codec, id).await,
            None => {
                self.codec.refuse(id);
                Ok(())
            }
        }
    }
}
