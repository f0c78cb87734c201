//! Quality of a sample: an OPC UA status code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// OPC UA StatusCode (OPC 10000-4, 7.39). The two top bits say Good, Uncertain or Bad; the rest is the reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Quality(pub u32);

impl Quality {
    /// The value may be used as it is.
    pub const GOOD: Quality = Quality(0);
    /// The value may be used with care; no closer reason.
    pub const UNCERTAIN: Quality = Quality(0x4000_0000);
    /// The value is older than it should be.
    pub const UNCERTAIN_LAST_USABLE: Quality = Quality(0x4090_0000);
    /// The value may not be used; no closer reason.
    pub const BAD: Quality = Quality(0x8000_0000);
    /// The configuration of the point or device is wrong.
    pub const BAD_CONFIGURATION: Quality = Quality(0x8089_0000);
    /// The device does not answer.
    pub const BAD_NO_COMMUNICATION: Quality = Quality(0x8031_0000);
    /// The device answered that it has no such address.
    pub const BAD_ADDRESS: Quality = Quality(0x8033_0000);
    /// The device answered that it failed.
    pub const BAD_DEVICE_FAILURE: Quality = Quality(0x808B_0000);
    /// The source sits idle on purpose: the device is switched off in the configuration.
    pub const BAD_OUT_OF_SERVICE: Quality = Quality(0x808D_0000);
    /// The raw value is outside what the type or the scaling can hold.
    pub const BAD_OUT_OF_RANGE: Quality = Quality(0x803C_0000);

    /// Top bits 00.
    pub const fn is_good(self) -> bool {
        self.0 >> 30 == 0
    }
    /// Top bits 01.
    pub const fn is_uncertain(self) -> bool {
        self.0 >> 30 == 1
    }
    /// Top bit set (10 and the reserved 11 alike).
    pub const fn is_bad(self) -> bool {
        self.0 >> 31 == 1
    }
    /// The OPC UA name of the codes that Sinew itself gives, else the class.
    pub const fn name(self) -> &'static str {
        match self {
            Quality::GOOD => "Good",
            Quality::UNCERTAIN_LAST_USABLE => "UncertainLastUsableValue",
            Quality::BAD_CONFIGURATION => "BadConfigurationError",
            Quality::BAD_NO_COMMUNICATION => "BadNoCommunication",
            Quality::BAD_ADDRESS => "BadNodeIdInvalid",
            Quality::BAD_DEVICE_FAILURE => "BadDeviceFailure",
            Quality::BAD_OUT_OF_SERVICE => "BadOutOfService",
            Quality::BAD_OUT_OF_RANGE => "BadOutOfRange",
            q if q.is_good() => "Good",
            q if q.is_uncertain() => "Uncertain",
            _ => "Bad",
        }
    }
}

impl fmt::Debug for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(0x{:08X})", self.name(), self.0)
    }
}
