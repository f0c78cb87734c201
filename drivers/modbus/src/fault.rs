//! What can go wrong with a device, told apart by what helps: every message names the cause and the next step.

use sdk::Outage;
use std::io;
use types::Fault;

use crate::{
    config::{Config, Transport},
    pdu::{Exception, FrameError},
};

/// Why a request has no reply. The connection is of no more use.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There was no TCP connection to be had.
    Connect(io::Error),
    /// The serial port cannot be used.
    Serial(io::Error),
    /// The DTU is not connected; whether anybody listens for it.
    Away { listening: bool },
    /// This node has nowhere for DTUs to dial.
    NoDoor,
    /// Nothing came in time.
    Timeout,
    /// The other side closed the connection.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// What came is no answer to what was asked.
    Frame(FrameError),
}

impl From<FrameError> for Trouble {
    fn from(error: FrameError) -> Trouble {
        Trouble::Frame(error)
    }
}
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Broken(error)
    }
}

impl Trouble {
    /// As a message by code.
    pub(crate) fn fault(&self, config: &Config) -> Fault {
        let place = config.place();
        let unit = config.unit_id;
        let fault = match self {
            Trouble::Connect(error) => return no_tcp(error, config),
            Trouble::Away { listening } => return away(config, *listening),
            Trouble::NoDoor => return no_door(),
            Trouble::Serial(error) => Fault::new(
                "modbus.no-serial",
                format!("the serial port {place} cannot be used: {error}; check that it exists, that no other program holds it and that Sinew may open it"),
            )
            .arg("reason", error.to_string()),
            Trouble::Timeout => Fault::new(
                "modbus.timeout",
                format!("{place} is connected, but unit {unit} did not answer within {} ms; check the unit id, and raise the timeout if the device is slow", config.timeout_ms),
            )
            .arg("timeout_ms", config.timeout_ms),
            Trouble::Closed => Fault::new(
                "modbus.closed",
                format!("{place} closed the connection; some devices bear only one or two clients: check who else is connected"),
            ),
            Trouble::Broken(error) => Fault::new(
                "modbus.closed",
                format!("the connection to {place} broke: {error}; check the cable, the switch and the device's supply"),
            )
            .arg("reason", error.to_string()),
            Trouble::Frame(error) => Fault::new(
                "modbus.bad-frame",
                format!("{place} answered unit {unit} with a frame that does not fit: {error}; check the transport (TCP or RTU over TCP) and whether two devices share the unit id"),
            )
            .arg("reason", error.to_string()),
        };
        fault.arg("place", place).arg("unit_id", unit)
    }

    /// As the end of a run.
    pub(crate) fn outage(&self, config: &Config) -> Outage {
        Outage::connection(self.fault(config))
    }
}

fn no_tcp(error: &io::Error, config: &Config) -> Fault {
    let place = config.place();
    let (reason, next) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            "refused",
            "the machine is there but nothing listens on this port; check the port (Modbus TCP is 502) and that Modbus is switched on in the device",
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
        _ => ("other", "check the address, the cable and the device's supply"),
    };
    Fault::new("modbus.no-tcp", format!("no TCP connection to {place} ({error}): {next}"))
        .arg("place", place)
        .arg("reason", reason)
}

/// The DTU of a device is not connected.
pub(crate) fn away(config: &Config, listening: bool) -> Fault {
    let id = config.dtu_id();
    let (reason, next) = if listening {
        (
            "not-here",
            "it is waited for; check its supply, SIM card and signal, the server address set in it, and that it registers \
             with this id",
        )
    } else {
        ("no-listener", "nobody listens for DTUs; switch the DTU listener on")
    };
    Fault::new("modbus.dtu-away", format!("DTU {id} is not connected: {next}"))
        .arg("dtu_id", id)
        .arg("reason", reason)
}

/// This node has nowhere for DTUs to dial.
pub(crate) fn no_door() -> Fault {
    Fault::new("modbus.no-door", "this node has no DTU listener; choose another transport")
}

/// Nobody can listen at an address.
pub(crate) fn no_listener(place: &str, error: &io::Error) -> Fault {
    let detail = format!(
        "cannot listen for DTUs at {place}: {error}; check that the address is this machine's and that no other program \
         holds the port"
    );
    Fault::new("modbus.no-listener", detail).arg("place", place).arg("reason", error.to_string())
}

/// A refusal, as a message by code.
pub(crate) fn refusal(exception: Exception, what: &str, config: &Config) -> Fault {
    let place = config.place();
    let (code, next) = match exception {
        Exception::ILLEGAL_ADDRESS => (
            "modbus.illegal-address",
            "the device has no such register; check the address against its manual, which may count from 1 where the wire counts from 0",
        ),
        Exception::GATEWAY_PATH | Exception::GATEWAY_TARGET => (
            "modbus.wrong-unit",
            "the gateway answers, but there is no device with this unit id behind it; check the unit id and the device's supply",
        ),
        Exception::ILLEGAL_FUNCTION => (
            "modbus.exception",
            "the device does not know this function; set `write_with` to another one, or write the whole register instead of a bit",
        ),
        Exception::ILLEGAL_VALUE => (
            "modbus.exception",
            "the device does not take this value or count; check its range in the manual, and lower `registers_max`",
        ),
        Exception::BUSY | Exception::ACKNOWLEDGE => {
            ("modbus.exception", "the device is busy; try again in a moment")
        }
        _ => ("modbus.exception", "the device failed on it; look at the device's own fault display"),
    };
    Fault::new(code, format!("{place}, unit {} refused {what}: {exception}; {next}", config.unit_id))
        .arg("place", place)
        .arg("unit_id", config.unit_id)
        .arg("exception", exception.0)
        .arg("exception_name", exception.name())
        .arg("what", what)
}

/// A port opens, but what is behind it does not speak Modbus.
pub(crate) fn no_modbus(reason: &str, config: &Config) -> Fault {
    let place = config.place();
    let other = match config.transport {
        Transport::Tcp => {
            "check the port (Modbus TCP is 502), and try transport rtu_over_tcp if a serial server is there"
        }
        Transport::RtuOverTcp => "check the port, and try transport tcp if the gateway translates",
        Transport::Serial => "check baud rate, parity, wiring (A and B swapped?) and termination",
        Transport::Dtu => {
            "check the DTU's baud rate and parity, that it passes bytes on as they are, and its heartbeat pattern"
        }
    };
    Fault::new("modbus.no-modbus", format!("{place} opens, but does not speak Modbus ({reason}): {other}"))
        .arg("place", place)
        .arg("reason", reason)
}

/// The first of several faults of a config that was checked before.
pub(crate) fn first(faults: Vec<Fault>) -> Fault {
    let unknown =
        || Fault::new(types::codes::INVALID, "the configuration is wrong; open the device and correct it");
    faults.into_iter().next().unwrap_or_else(unknown)
}

/// A search for registers that ended without any.
pub(crate) fn nothing_found(config: &Config, after: std::time::Duration) -> Fault {
    let detail = format!(
        "unit {} answers, but no register was found within {} s: look up an address in the device's manual and enter it",
        config.unit_id,
        after.as_secs()
    );
    Fault::new("modbus.nothing-found", detail).arg("unit_id", config.unit_id).arg("seconds", after.as_secs())
}
