//! A time as serde writes it: milliseconds since 1970-01-01T00:00:00Z.

use serde::{Deserialize, Deserializer, Serializer};
use store::Timestamp;

// The signature is serde's.
pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.0)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(deserializer).map(Timestamp)
}
