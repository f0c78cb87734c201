//! The four roles: nested sets of permissions.

use sdk::http::Permission;
use serde::{Deserialize, Serialize};

/// What a user is. Each role may all that the one before may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// 观察员: sees everything of the organisation.
    Viewer,
    /// 操作员: also commands machines, where writing is enabled.
    Operator,
    /// 工程师: also changes devices, points and types.
    Engineer,
    /// 管理员: also users and the write lock.
    Admin,
}

impl Role {
    /// What this role may, in rising order.
    pub fn permissions(self) -> &'static [Permission] {
        const ALL: [Permission; 5] = [
            Permission::SignedIn,
            Permission::Read,
            Permission::Command,
            Permission::Configure,
            Permission::Administer,
        ];
        match self {
            Role::Viewer => &ALL[..2],
            Role::Operator => &ALL[..3],
            Role::Engineer => &ALL[..4],
            Role::Admin => &ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::{Administer, Command, Configure, Public, Read, SignedIn};

    #[test]
    fn who_may_what() {
        let table = [
            (Role::Viewer, [true, true, false, false, false]),
            (Role::Operator, [true, true, true, false, false]),
            (Role::Engineer, [true, true, true, true, false]),
            (Role::Admin, [true, true, true, true, true]),
        ];
        for (role, row) in table {
            let may =
                [SignedIn, Read, Command, Configure, Administer].map(|p| role.permissions().contains(&p));
            assert_eq!(may, row, "{role:?}");
            assert!(!role.permissions().contains(&Public));
        }
    }
}
