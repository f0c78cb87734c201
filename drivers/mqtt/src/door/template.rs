//! Templates: a client that proves to be a device of a known product becomes one.

use bytes::Bytes;
use sdk::{BoxFuture, Clock, DoorStatus, Enrolment};
use std::{sync::Arc, time::Duration};

use crate::{
    broker::{Broker, Enrol},
    claim::Template,
};

/// How long a new device may take until its account is known.
const ADMISSION_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at.
const ADMISSION_LOOK: Duration = Duration::from_millis(50);

/// The templates of a run.
pub(super) struct Templates {
    templates: Vec<Template>,
    enrolment: Enrolment,
    broker: Arc<Broker>,
    clock: Clock,
    status: DoorStatus,
}

impl Templates {
    pub(super) fn new(
        templates: &[Template],
        enrolment: Enrolment,
        broker: &Arc<Broker>,
        clock: &Clock,
        status: &DoorStatus,
    ) -> Option<Templates> {
        let (broker, clock, status) = (broker.clone(), clock.clone(), status.clone());
        let templates = templates.to_vec();
        (!templates.is_empty()).then_some(Templates { templates, enrolment, broker, clock, status })
    }

    async fn enrol_now(&self, client_id: &str, username: Option<&str>, password: Option<&Bytes>) -> bool {
        let (Some(name), Some(secret)) = (username, password) else { return false };
        let mut vouching =
            self.templates.iter().filter_map(|template| template.vouch(client_id, name, secret));
        let Some(draft) = vouching.next() else { return false };
        let refused = self.enrolment.enrol(draft).await.err();
        let is_refused = refused.is_some();
        self.status.warn(refused);
        if is_refused {
            return false;
        }
        // The device runs in a task of its own, which makes the account.
        let start = self.clock.monotonic();
        while !self.broker.knows(client_id, username, password) {
            if self.clock.monotonic().saturating_sub(start) > ADMISSION_MAX {
                return false;
            }
            self.clock.sleep(ADMISSION_LOOK).await;
        }
        true
    }
}

impl Enrol for Templates {
    fn enrol<'a>(
        &'a self,
        client_id: &'a str,
        username: Option<&'a str>,
        password: Option<&'a Bytes>,
    ) -> BoxFuture<'a, bool> {
        Box::pin(self.enrol_now(client_id, username, password))
    }
}
