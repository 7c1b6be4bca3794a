//! What a registry said about ids that are not our own: schemas of writers older or newer than this program.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_avro_fast::Schema;
use serde_avro_fast::schema::SchemaMut;

use super::kind::Kind;
use super::{DecodeError, LearnError};

/// The most schemas that are kept; a topic has a handful in years.
pub(super) const MOST: usize = 256;

/// Ids with what is known of them; bounded whatever records say.
#[derive(Default)]
pub(super) struct Learned {
    schemas: HashMap<u32, (Kind, Arc<Schema>)>,
    /// Ids that are of no use, oldest first: what arrives with them need not be asked about again.
    foreign: VecDeque<u32>,
}

impl Learned {
    /// The schema with this id, if it is of this kind.
    pub(super) fn by_id(&self, kind: Kind, id: u32) -> Result<Arc<Schema>, DecodeError> {
        match self.schemas.get(&id) {
            Some((known, schema)) if *known == kind => Ok(Arc::clone(schema)),
            Some(_) => Err(DecodeError::ForeignId { id }),
            None if self.foreign.contains(&id) => Err(DecodeError::ForeignId { id }),
            None => Err(DecodeError::UnknownId { id }),
        }
    }

    /// The schema with this fingerprint, if it is of this kind.
    pub(super) fn by_fingerprint(&self, kind: Kind, fingerprint: &[u8; 8]) -> Option<Arc<Schema>> {
        let mut schemas = self.schemas.values();
        schemas
            .find(|(known, schema)| *known == kind && schema.rabin_fingerprint() == fingerprint)
            .map(|(_, schema)| Arc::clone(schema))
    }

    pub(super) fn learn(&mut self, id: u32, text: &str) -> Result<(), LearnError> {
        let read = if self.schemas.len() < MOST || self.schemas.contains_key(&id) {
            read(id, text)
        } else {
            Err(LearnError::Full { id, most: MOST })
        };
        match read {
            Ok(known) => {
                self.foreign.retain(|foreign| *foreign != id);
                self.schemas.insert(id, known);
                Ok(())
            }
            Err(error) => {
                self.refuse(id);
                Err(error)
            }
        }
    }

    pub(super) fn refuse(&mut self, id: u32) {
        if self.schemas.contains_key(&id) || self.foreign.contains(&id) {
            return;
        }
        if self.foreign.len() == MOST {
            self.foreign.pop_front();
        }
        self.foreign.push_back(id);
    }
}

fn read(id: u32, text: &str) -> Result<(Kind, Arc<Schema>), LearnError> {
    let failed = |source| LearnError::Parse { id, source };
    let schema: SchemaMut = text.parse().map_err(failed)?;
    let root = &schema.root().type_;
    let name = root.name();
    let Some(kind) = name.and_then(|name| Kind::by_name(name.name())) else {
        let name = name.map_or("a type without a name", |name| name.fully_qualified_name());
        return Err(LearnError::Foreign { id, name: name.to_owned() });
    };
    Ok((kind, Arc::new(schema.freeze().map_err(failed)?)))
}
