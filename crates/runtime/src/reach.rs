//! Makes what drivers and doors reach: one hall for each driver of each organisation, secrets and trust of that pair.

use access::{Certificates, LeafSecrets, LeafTrust, Seal};
use sdk::{Arrivals, Clock, Door, Hall, Ids, Net, Reach, Secrets, Trust};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use types::{OrgId, Random};

/// What every reach is made of.
#[derive(Clone)]
pub(crate) struct Reaches {
    pub(crate) clock: Clock,
    pub(crate) net: Net,
    pub(crate) random: Random,
    pub(crate) records: records::Records,
    pub(crate) seal: Seal,
    pub(crate) certificates: Certificates,
    pub(crate) doors: Arc<BTreeMap<&'static str, Door>>,
    halls: Halls,
}

/// The halls there are and who waits before them, by organisation and driver.
type Halls = Arc<Mutex<HashMap<(OrgId, &'static str), (Hall, Arrivals)>>>;

impl Reaches {
    pub(crate) fn new(parts: &crate::Parts, doors: Arc<BTreeMap<&'static str, Door>>) -> Reaches {
        Reaches {
            clock: parts.clock.clone(),
            net: parts.net.clone(),
            random: parts.random.clone(),
            records: parts.records.clone(),
            seal: parts.seal.clone(),
            certificates: Certificates::new(parts.records.clone()),
            doors,
            halls: Halls::default(),
        }
    }

    /// Of one driver of one organisation.
    pub(crate) fn of(&self, org: OrgId, leaf: &'static str) -> Reach {
        let ids = Ids::new(self.clock.clone(), self.random.clone());
        let secrets = LeafSecrets {
            org,
            leaf,
            records: self.records.clone(),
            seal: self.seal.clone(),
            ids: ids.clone(),
        };
        let trust = LeafTrust {
            org,
            leaf,
            certificates: self.certificates.clone(),
            clock: self.clock.clone(),
            ids: ids.clone(),
        };
        let (hall, arrivals) = self.hall(org, leaf);
        Reach {
            clock: self.clock.clone(),
            net: self.net.clone(),
            hall,
            arrivals,
            secrets: Secrets::new(Arc::new(secrets)),
            trust: Trust::new(Arc::new(trust)),
            ids,
        }
    }

    /// What a door and its devices share, and who waits before it.
    pub(crate) fn hall(&self, org: OrgId, leaf: &'static str) -> (Hall, Arrivals) {
        let Some(door) = self.doors.get(leaf) else { return (Hall::none(), Arrivals::default()) };
        let mut halls = self.halls.lock().unwrap_or_else(PoisonError::into_inner);
        halls.entry((org, leaf)).or_insert_with(|| ((door.hall)(), Arrivals::default())).clone()
    }
}
