//! Identifiers. Which one names what is fixed for good: see ARCHITECTURE.md, "Invariants".

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::Time;

/// A text that is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identifier: expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct IdError(pub String);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// A UUIDv7 (RFC 9562) from the time of birth and ten random bytes; both come in by argument.
            pub fn born(at: Time, random: [u8; 10]) -> Self {
                let ms = u64::try_from(at.unix_ms()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
            }
            /// The sixteen bytes, big-endian: orders like the time of birth.
            pub fn bytes(&self) -> [u8; 16] {
                *self.0.as_bytes()
            }
            /// From sixteen stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError(text.chars().take(60).collect()))
            }
        }
    };
}

uuid_id! {
    /// An organisation (组织). Every record key starts with one; a fresh node has exactly one.
    OrgId
}
uuid_id! {
    /// Any identified object, made where the object is born and the same on every node.
    ObjectId
}

/// A point on this node: dense, never reused, never sent to another node (batches between nodes carry [`ObjectId`]s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PointId(pub u32);

/// Where a batch came from on this node: a device session, an importer, a person. Device, node and trust tier
/// hang on it with validity times, never on the sample.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct SourceId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_birth_and_survive_text() {
        let a = ObjectId::born(Time::from_unix_ms(1_000), [9; 10]);
        let b = ObjectId::born(Time::from_unix_ms(1_001), [0; 10]);
        assert!(a < b);
        assert_eq!(a.to_string().parse(), Ok(a));
        assert!("4x1".parse::<ObjectId>().is_err());
    }
}
