//! What a driver can reach beyond its device's config: time, ways out, its hall, its secrets, the trust list.

use crate::{Arrivals, Clock, Hall, Ids, Net, Secrets, Trust};

/// The handles of a driver and of a door; scoped to one organisation.
#[derive(Clone)]
pub struct Reach {
    /// Time.
    pub clock: Clock,
    /// Ways out, and ways in.
    pub net: Net,
    /// What this driver's door and devices share; [`Hall::none`] when it has no door.
    pub hall: Hall,
    /// Who waits before its door, and what they said.
    pub arrivals: Arrivals,
    /// Sealed blobs of this driver.
    pub secrets: Secrets,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Names for what is new.
    pub ids: Ids,
}
