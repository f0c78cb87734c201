//! What can go wrong with a server, told apart by what helps: every message names the cause and the next step.

use opcua::types::StatusCode;
use sdk::{Outage, OutageKind};
use std::io;
use types::Fault;

use crate::config::Config;

/// Why something did not work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There was no TCP connection to be had.
    Connect(io::Error),
    /// Nothing came in time.
    Timeout,
    /// The connection is gone.
    Closed(StatusCode),
    /// The server closed it while the secure channel was made.
    Channel(StatusCode),
    /// The server answered that it will not.
    Refused {
        /// The service, such as `CreateSession`.
        service: &'static str,
        /// Its reason.
        status: StatusCode,
    },
    /// What came is no answer to what was asked.
    Foreign(String),
    /// A person must act; the message is complete.
    Person(Fault),
}

impl Trouble {
    /// Nobody listens any more: the server's process is gone, and its sessions with it.
    pub(crate) fn nobody_listens(&self) -> bool {
        matches!(self, Trouble::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// The connection is of no more use.
    pub(crate) fn is_loss(&self) -> bool {
        !matches!(self, Trouble::Refused { .. })
    }

    /// As a message by code.
    pub(crate) fn fault(&self, config: &Config) -> Fault {
        let place = config.endpoint_url.clone();
        let fault = match self {
            Trouble::Person(fault) => return fault.clone(),
            Trouble::Connect(error) => return no_tcp(error, config),
            Trouble::Timeout => Fault::new(
                "opcua.timeout",
                format!("{place} is connected, but did not answer within {} ms; check its load, and raise the timeout if it is slow", config.timeout_ms),
            )
            .arg("timeout_ms", config.timeout_ms),
            Trouble::Closed(status) => Fault::new(
                "opcua.closed",
                format!("the connection to {place} was lost ({}); check the cable, the switch and whether the server runs", name(*status)),
            )
            .arg("status", name(*status)),
            Trouble::Channel(status) => return channel_refused(*status, config),
            Trouble::Refused { service, status } => return refused(service, *status, config),
            Trouble::Foreign(reason) => Fault::new(
                "opcua.no-opcua",
                format!("{place} opens, but does not speak OPC UA over TCP ({reason}); check the port, 4840 is usual, and that the URL starts with opc.tcp"),
            )
            .arg("reason", reason.as_str()),
        };
        fault.arg("place", place)
    }

    /// As the end of a run.
    pub(crate) fn outage(&self, config: &Config) -> Outage {
        let person = match self {
            Trouble::Person(_) => true,
            Trouble::Channel(status) | Trouble::Refused { status, .. } => {
                distrusts_us(*status)
                    || is_identity(*status)
                    || *status == StatusCode::BadSecurityPolicyRejected
            }
            _ => false,
        };
        let kind = if person { OutageKind::Configuration } else { OutageKind::Connection };
        Outage { kind, fault: self.fault(config) }
    }
}

/// The server's word for a status.
pub(crate) fn name(status: StatusCode) -> String {
    status.to_string()
}

fn is_identity(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadIdentityTokenRejected
            | StatusCode::BadIdentityTokenInvalid
            | StatusCode::BadUserAccessDenied
            | StatusCode::BadUserSignatureInvalid
    )
}

fn distrusts_us(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadSecurityChecksFailed
            | StatusCode::BadCertificateUntrusted
            | StatusCode::BadCertificateInvalid
            | StatusCode::BadCertificateUriInvalid
            | StatusCode::BadCertificateTimeInvalid
            | StatusCode::BadCertificateChainIncomplete
            | StatusCode::BadCertificateUseNotAllowed
            | StatusCode::BadCertificateHostNameInvalid
            | StatusCode::BadNoValidCertificates
    )
}

fn no_tcp(error: &io::Error, config: &Config) -> Fault {
    let place = config.endpoint_url.clone();
    let (reason, next) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            "refused",
            "the machine is there but nothing listens on this port; check the port (4840 is usual) and that the OPC UA server is switched on",
        ),
        io::ErrorKind::TimedOut => (
            "timeout",
            "nobody answers at this address; check the IP address, the cable and any firewall between",
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => (
            "unreachable",
            "there is no way to this address; check the IP address, the subnet mask and the gateway",
        ),
        io::ErrorKind::PermissionDenied => {
            ("forbidden", "this machine does not let the connection out; check its firewall")
        }
        _ if error.to_string().contains("lookup") || error.kind() == io::ErrorKind::NotFound => {
            ("host-unknown", "the name is not known; check its spelling, or write the IP address")
        }
        _ => ("other", "check the address, the cable and the server's supply"),
    };
    Fault::new("opcua.no-tcp", format!("no TCP connection to {place} ({error}): {next}"))
        .arg("place", place)
        .arg("reason", reason)
}

fn channel_refused(status: StatusCode, config: &Config) -> Fault {
    let place = config.endpoint_url.clone();
    let status = name(status);
    Fault::new(
        "opcua.channel-refused",
        format!(
            "{place} closed the connection while the secure channel was made ({status}); most often the server does not \
             trust this node's certificate yet: download it from the certificates page and approve it on the server"
        ),
    )
    .arg("place", place)
    .arg("status", status)
}

fn refused(service: &'static str, status: StatusCode, config: &Config) -> Fault {
    let place = config.endpoint_url.clone();
    let shown = name(status);
    let fault = if is_identity(status) {
        Fault::new(
            "opcua.wrong-credentials",
            format!(
                "{place} refused the identity ({shown}); check user name and password, or that the server knows the user's certificate"
            ),
        )
    } else if distrusts_us(status) {
        return channel_refused(status, config);
    } else if status == StatusCode::BadTooManySessions {
        Fault::new(
            "opcua.too-many-sessions",
            format!("{place} has no session left; close other clients, or wait until their sessions run out"),
        )
    } else {
        Fault::new(
            "opcua.refused",
            format!("{place} refused {service} ({shown}); look the status up in the server's manual or log"),
        )
        .arg("service", service)
    };
    fault.arg("place", place).arg("status", shown)
}

/// The server has no endpoint as it was chosen; nothing weaker is taken in its place.
pub(crate) fn not_offered(config: &Config, wanted: &str, offered: &str) -> Fault {
    let place = config.endpoint_url.clone();
    Fault::new(
        "opcua.not-offered",
        format!("{place} does not offer {wanted}; it offers {offered}: choose one of these, or switch the other on in the server"),
    )
    .arg("place", place)
    .arg("wanted", wanted)
    .arg("offered", offered)
}

/// A write that was not made.
pub(crate) fn write_refused(address: &str, reason: &str, next: &str) -> Fault {
    Fault::new("opcua.write-refused", format!("nothing was written to `{address}`: {reason}; {next}"))
        .arg("address", address)
        .arg("reason", reason)
}

/// The first of several faults of a config that was checked before.
pub(crate) fn first(faults: Vec<Fault>) -> Fault {
    let unknown =
        || Fault::new(types::codes::INVALID, "the configuration is wrong; open the device and correct it");
    faults.into_iter().next().unwrap_or_else(unknown)
}
