//! What can go wrong with a device, told apart by what helps: every message names the cause and the next step.

use std::io;
use types::Fault;

use sdk::{Outage, OutageKind};

use crate::config::Config;

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A message that cannot be read at all.
pub(crate) fn shape(topic: &str, reason: &str) -> Fault {
    let detail =
        format!("a message on {} cannot be read: {reason}; correct the device or the profile", short(topic));
    Fault::new("mqtt.shape", detail).arg("topic", short(topic)).arg("reason", reason).at(short(topic))
}

/// A value that is not what the point says.
pub(crate) fn value(topic: &str, address: &str, reason: &str) -> Fault {
    let detail = format!(
        "{} in a message on {}: {reason}; correct the address or its type",
        short(address),
        short(topic)
    );
    let fault = Fault::new("mqtt.value", detail).arg("topic", short(topic)).arg("reason", reason);
    fault.arg("address", short(address)).at(short(address))
}

/// A time that is not believed.
pub(crate) fn time(topic: &str, reason: &str) -> Fault {
    let detail = format!(
        "on {}: {reason}, so the time of arrival is taken; set the clock of the device",
        short(topic)
    );
    Fault::new("mqtt.time", detail).arg("topic", short(topic)).arg("reason", reason).at(short(topic))
}

/// A place that messages do not have.
pub(crate) fn absent(topic: &str, address: &str) -> Fault {
    let detail = format!(
        "the messages on {} do not hold {}; compare the address with a message and correct it",
        short(topic),
        short(address)
    );
    Fault::new("mqtt.absent", detail)
        .arg("topic", short(topic))
        .arg("address", short(address))
        .at(short(address))
}

/// A message that is not read for its size.
pub(crate) fn too_large(topic: &str, bytes: usize) -> Fault {
    let max = crate::message::PAYLOAD_BYTES_MAX;
    let detail = format!(
        "a message on {} has {bytes} bytes, more than the {max} that are read; have the device send smaller ones",
        short(topic)
    );
    Fault::new("mqtt.too-large", detail).arg("topic", short(topic)).arg("bytes", bytes).arg("max", max)
}

/// Why there is no connection to a broker outside, or no more.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There was no TCP connection to be had.
    Connect(io::Error),
    /// The certificate is not believed, or the other side speaks no TLS.
    Tls(io::Error),
    /// The broker refused us: its reason code and words.
    Refused(Refusal),
    /// Nothing came in time.
    Silent,
    /// The connection broke or was closed.
    Closed(String),
    /// What came is no MQTT.
    Protocol(String),
    /// The broker allows none of the topics.
    NothingAllowed(String),
}

/// A CONNACK that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Waiting does not help: credentials, client id or version.
    pub(crate) for_good: bool,
    /// It is about user name and password.
    pub(crate) credentials: bool,
    /// The broker's reason.
    pub(crate) reason: String,
}

impl Trouble {
    /// As the end of a run.
    pub(crate) fn outage(&self, config: &Config) -> Outage {
        let kind = match self {
            Trouble::Refused(Refusal { for_good: true, .. })
            | Trouble::Tls(_)
            | Trouble::NothingAllowed(_) => OutageKind::Configuration,
            _ => OutageKind::Connection,
        };
        Outage { kind, fault: self.fault(config) }
    }

    /// As a message by code.
    pub(crate) fn fault(&self, config: &Config) -> Fault {
        let place = config.place();
        let (code, detail, reason) = match self {
            Trouble::Connect(error) => (
                "mqtt.no-tcp",
                format!("no connection to {place}: {error}; check address, port, network and firewall"),
                error.to_string(),
            ),
            Trouble::Tls(error) => (
                "mqtt.tls",
                format!(
                    "{place} is reached, but the encrypted connection fails: {error}; check the authority's certificate, the server name and that this port speaks TLS"
                ),
                error.to_string(),
            ),
            Trouble::Refused(refusal) if refusal.credentials => (
                "mqtt.credentials",
                format!(
                    "{place} refused user name or password: {}; enter those that the broker knows",
                    refusal.reason
                ),
                refusal.reason.clone(),
            ),
            Trouble::Refused(refusal) => (
                "mqtt.refused",
                format!(
                    "{place} refused the connection: {}; check version and client id, and look into the broker's log",
                    refusal.reason
                ),
                refusal.reason.clone(),
            ),
            Trouble::Silent => (
                "mqtt.silent",
                format!(
                    "{place} is connected, but says nothing; check that this port speaks MQTT, and whether it wants TLS"
                ),
                "no answer in time".into(),
            ),
            Trouble::Closed(reason) => (
                "mqtt.closed",
                format!(
                    "the connection to {place} was lost: {reason}; check network and broker, and that no other client uses this client id"
                ),
                reason.clone(),
            ),
            Trouble::Protocol(reason) => (
                "mqtt.protocol",
                format!("what {place} sends is no MQTT: {reason}; check port and version"),
                reason.clone(),
            ),
            Trouble::NothingAllowed(reason) => (
                "mqtt.nothing-allowed",
                format!(
                    "{place} allows none of the topics of this device: {reason}; allow them in the broker for this user"
                ),
                reason.clone(),
            ),
        };
        Fault::new(code, detail).arg("place", place).arg("reason", reason)
    }
}

/// A device of our own broker that is not there.
pub(crate) fn waiting(config: &Config) -> Fault {
    let client = config.client_id.clone().unwrap_or_else(|| "of its own".into());
    let user = config.username.clone().unwrap_or_default();
    let detail = format!(
        "the device has not connected: on the device, set host and port of this node's broker, client id {client}, user name `{user}` and its password"
    );
    Fault::new("mqtt.waiting", detail).arg("client_id", client).arg("username", user)
}

/// A device of our own broker that left.
pub(crate) fn left(reason: &str) -> Fault {
    let detail =
        format!("the device left ({reason}) and is waited for; check its power and network if it stays away");
    Fault::new("mqtt.left", detail).arg("reason", reason)
}

/// The node has no broker.
pub(crate) fn no_broker() -> Fault {
    let detail =
        "the broker of this node does not run; switch it on under data collection, or choose via `client`";
    Fault::new("mqtt.no-broker", detail)
}

/// The device said no to a write.
pub(crate) fn device_refused(reason: &str) -> Fault {
    let reason = short(reason);
    let detail = format!("the device refused it: {reason}; look at the device and try again");
    Fault::new("mqtt.device-refused", detail).arg("reason", reason)
}

/// The broker did not take a message of ours.
pub(crate) fn not_taken(reason: &str) -> Fault {
    let detail =
        format!("the broker did not take the message: {reason}; allow this user to publish to that topic");
    Fault::new("mqtt.not-taken", detail).arg("reason", reason)
}

/// The device did not answer a write.
pub(crate) fn no_answer(within_s: u64) -> Fault {
    let detail = format!(
        "the device did not answer within {within_s} s, so it is not known whether it did it: look at the machine before trying again"
    );
    Fault::new("mqtt.no-answer", detail).arg("seconds", within_s)
}

/// A write while the device is away.
pub(crate) fn not_connected() -> Fault {
    let detail =
        "the device is not connected, and a command is never kept for later; try again when it is back";
    Fault::new("mqtt.not-connected", detail)
}

/// A connection that broke during a write says nothing about the write.
pub(crate) fn in_doubt(reason: &str) -> Fault {
    let detail = format!(
        "the connection was lost during the write ({reason}), so it is not known whether the device took it: look at the machine before trying again"
    );
    Fault::new("write.interrupted", detail).arg("reason", reason)
}

/// A point that nothing can be sent to.
pub(crate) fn read_only(address: &str) -> Fault {
    let detail = format!("{} can only be read; add set:topic to the address", short(address));
    Fault::new("mqtt.read-only", detail).arg("address", short(address))
}

/// A look that saw nothing.
pub(crate) fn nothing_heard(filter: &str, seconds: u64) -> Fault {
    let detail = format!(
        "no message on {} within {seconds} s; check the topic, or have the device send something now",
        short(filter)
    );
    Fault::new("mqtt.nothing-heard", detail).arg("filter", short(filter)).arg("seconds", seconds)
}

/// The first of the faults of a config that was checked before.
pub(crate) fn first(faults: Vec<Fault>) -> Fault {
    let unknown =
        || Fault::new(types::codes::INVALID, "the configuration is wrong; open the device and correct it");
    faults.into_iter().next().unwrap_or_else(unknown)
}
