//! What the kernel's own handlers reach beyond their [`sdk::Scope`]. Leaves never see it.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use sdk::{ArrivalView, Caller, Clock, DoorInput, DoorView, Driver, Reach, Scope, http::Problem};
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use types::{Fault, ObjectId, OrgId, codes};

/// A part of the node that the server cannot name, because it stands on the same floor: the runtime.
pub trait Running: Send + Sync {
    /// The handles of one caller.
    fn scope(&self, org: OrgId, caller: Caller) -> Scope;
    /// The protocols of this node.
    fn drivers(&self) -> Vec<Driver>;
    /// The apps of this node.
    fn apps(&self) -> Vec<sdk::App>;
    /// How the devices of an organisation are doing, by device, as JSON of the runtime's health type.
    fn device_health(&self, org: OrgId) -> HashMap<ObjectId, serde_json::Value>;
    /// 禁止下发: how it stands.
    fn write_lock(&self, org: OrgId) -> sdk::BoxFuture<'_, Result<WriteLockView, Fault>>;
    /// 禁止下发: set it.
    fn set_write_lock(
        &self,
        org: OrgId,
        locked: bool,
        by: String,
    ) -> sdk::BoxFuture<'_, Result<WriteLockView, Fault>>;
    /// An organisation was made: start the apps for it.
    fn organisation_made(&self, org: OrgId);
    /// Time.
    fn clock(&self) -> Clock;
    /// What a driver of an organisation reaches, for probes; `None` when there is no such driver.
    fn reach(&self, org: OrgId, driver: &str) -> Option<Reach>;
    /// A device's configuration with its secrets opened.
    fn open_config(
        &self,
        org: OrgId,
        driver: &str,
        config: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault>;
    /// Tries a device that waits again at once.
    fn retry_device(&self, org: OrgId, device: ObjectId);
    /// Tries all waiting devices of a driver again at once.
    fn retry_driver(&self, org: OrgId, driver: &str);
    /// The doors of an organisation.
    fn doors(&self, org: OrgId) -> sdk::BoxFuture<'_, Result<Vec<DoorView>, Fault>>;
    /// Sets a door.
    fn set_door(
        &self,
        org: OrgId,
        actor: String,
        id: String,
        input: DoorInput,
    ) -> sdk::BoxFuture<'_, Result<DoorView, Vec<Fault>>>;
    /// Who waits before a door.
    fn arrivals(&self, org: OrgId, door: &str) -> Result<Vec<ArrivalView>, Fault>;
    /// Takes a caller out of the list.
    fn dismiss_arrival(&self, org: OrgId, door: &str, key: &str) -> Result<(), Fault>;
}

/// The write lock as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct WriteLockView {
    /// No write passes while true.
    pub locked: bool,
    /// Who set it last.
    pub by: Option<String>,
    /// When.
    pub since: Option<types::Time>,
}

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host names (without port) under which browsers may reach the node, besides loopback names and plain
    /// addresses. Anything else is refused: it is how a foreign page would reach a node in a plant.
    pub hosts: Vec<String>,
    /// Version shown.
    pub version: String,
    /// The console and API are served over TLS: cookies are marked Secure.
    pub secure: bool,
}

/// The node behind the API; clones share it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    access: access::Access,
    plant: plant::PlantModel,
    historian: historian::Historian,
    certificates: access::Certificates,
    intake: intake::Intake,
    sql: query::Sql,
    running: Arc<dyn Running>,
    settings: Settings,
    started: std::time::Duration,
}

impl Node {
    /// Of these parts.
    pub fn new(
        access: access::Access,
        plant: plant::PlantModel,
        historian: historian::Historian,
        certificates: access::Certificates,
        sql: query::Sql,
        running: Arc<dyn Running>,
        settings: Settings,
    ) -> Node {
        let started = running.clock().monotonic();
        let intake = intake::Intake::new(plant.clone());
        Node(Arc::new(Inner {
            access,
            plant,
            historian,
            certificates,
            intake,
            sql,
            running,
            settings,
            started,
        }))
    }
    pub(crate) fn access(&self) -> &access::Access {
        &self.0.access
    }
    pub(crate) fn plant(&self) -> &plant::PlantModel {
        &self.0.plant
    }
    pub(crate) fn historian(&self) -> &historian::Historian {
        &self.0.historian
    }
    pub(crate) fn certificates(&self) -> &access::Certificates {
        &self.0.certificates
    }
    pub(crate) fn sql(&self) -> &query::Sql {
        &self.0.sql
    }
    pub(crate) fn intake(&self) -> &intake::Intake {
        &self.0.intake
    }
    pub(crate) fn running(&self) -> &dyn Running {
        self.0.running.as_ref()
    }
    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }
    pub(crate) fn uptime_s(&self) -> u64 {
        self.0.running.clock().monotonic().saturating_sub(self.0.started).as_secs()
    }
    /// A driver, what it reaches, and a config of one of its devices with its secrets opened and checked.
    pub(crate) fn try_out(
        &self,
        org: OrgId,
        id: &str,
        config: &serde_json::Value,
    ) -> Result<(Driver, Reach, serde_json::Value), Problem> {
        let driver = self.driver(id)?;
        let opened = self.running().open_config(org, id, config)?;
        (driver.check_config)(&opened)?;
        let reach = self.running().reach(org, id).ok_or_else(|| no_driver(id))?;
        Ok((driver, reach, opened))
    }
    pub(crate) fn driver(&self, id: &str) -> Result<Driver, Problem> {
        self.running().drivers().into_iter().find(|d| d.id == id).ok_or_else(|| no_driver(id).into())
    }
}

fn no_driver(id: &str) -> Fault {
    Fault::new(codes::NOT_FOUND, format!("there is no driver `{id}`: see GET /api/v1/drivers"))
}

impl<S: Send + Sync> FromRequestParts<S> for Node {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Node>().cloned().ok_or_else(|| {
            Fault::new(codes::INTERNAL, "the server was put together wrongly: report this").into()
        })
    }
}

/// Who is at the other end: of the connection, or of the proxy in front when there is one.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// A proxy appends whom it saw to `X-Forwarded-For`, so the right-most entry is the one it vouches for. A request that
    /// came through a proxy without saying whom for is nobody on this machine.
    fn behind_proxy(socket: IpAddr, headers: &HeaderMap, expects_proxy: bool) -> Peer {
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back().and_then(|v| v.to_str().ok());
        let last = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
        let was_forwarded =
            last.is_some() || headers.contains_key("forwarded") || headers.contains_key("via");
        match last.and_then(|text| text.parse().ok()) {
            Some(address) if expects_proxy && socket.to_canonical().is_loopback() => Peer(address),
            _ if was_forwarded && socket.to_canonical().is_loopback() => Peer(IpAddr::from([0, 0, 0, 0])),
            _ => Peer(socket),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let info = parts.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>();
        let expects_proxy = parts.extensions.get::<Node>().is_some_and(|node| node.settings().secure);
        info.map(|i| Peer::behind_proxy(i.0.ip(), &parts.headers, expects_proxy)).ok_or_else(|| {
            Fault::new(codes::INTERNAL, "the server does not know its peer: report this").into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_vouches_for_the_last_address_only() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut headers = HeaderMap::new();
        assert_eq!(Peer::behind_proxy(here, &headers, true).0, here);
        headers.insert("x-forwarded-for", "127.0.0.1, 10.0.0.9".parse().unwrap());
        assert_eq!(Peer::behind_proxy(here, &headers, true).0, IpAddr::from([10, 0, 0, 9]));
        assert!(
            !Peer::behind_proxy(here, &headers, false).0.is_loopback(),
            "an unexpected proxy is nobody here"
        );
        let far = IpAddr::from([10, 0, 0, 7]);
        assert_eq!(
            Peer::behind_proxy(far, &headers, true).0,
            far,
            "only the proxy on this machine is believed"
        );
    }
}
