//! Who asks, for which organisation, with which handles.

use types::{ObjectId, OrgId};

use crate::{Clock, Commands, Events, Ids, Plant, Records, Samples, http::Permission};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Shown in records and events: `user:anna`, `app:alarms`.
    pub name: String,
    /// The user, when it is one.
    pub user: Option<ObjectId>,
    /// What the caller's contract allows.
    pub permissions: Vec<Permission>,
}

impl Caller {
    /// Whether the caller may.
    pub fn may(&self, permission: Permission) -> bool {
        matches!(permission, Permission::Public) || self.permissions.contains(&permission)
    }
}

/// The handles, each already scoped.
#[derive(Clone)]
pub struct Handles {
    /// Values in, values out, live values.
    pub samples: Samples,
    /// Documents.
    pub records: Records,
    /// What happened.
    pub events: Events,
    /// What stands where.
    pub plant: Plant,
    /// Writing to machines.
    pub commands: Commands,
    /// Time.
    pub clock: Clock,
    /// Names for what is new.
    pub ids: Ids,
}

/// What a request handler or an app's task works in. In a handler, take it as an argument: it is an extractor.
#[derive(Clone)]
pub struct Scope {
    /// Whose data.
    pub org: OrgId,
    /// Who asks.
    pub caller: Caller,
    /// With what.
    pub handles: Handles,
}

impl std::ops::Deref for Scope {
    type Target = Handles;
    fn deref(&self) -> &Handles {
        &self.handles
    }
}
