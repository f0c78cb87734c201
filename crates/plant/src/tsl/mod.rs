//! Asset types as TSL, the JSON thing model that Alibaba Cloud's IoT platform made common in China (物模型 TSL).
//!
//! Members: `schema`, `profile`, `properties`, `services`, `events`; a property has `identifier`, `name`,
//! `accessMode` (`r`, `rw`) and `dataType {type, specs}`; the numbers in `specs` are texts. Two members are ours, so
//! that every asset type survives the round trip: `nameEn` beside `name`, and `valueType` in a `dataType` where the
//! TSL type says less than ours (`u64`, `bytes`).
//!
//! Members that say how Alibaba's cloud works or that we have no use for are left out and listed; anything that would
//! change the meaning (arrays, structs, unknown members) is refused.

mod read;
mod write;

#[cfg(test)]
mod tests;

use types::{AssetType, Fault};

pub use read::tsl_in;
pub use write::tsl_out;

/// An asset type read from TSL.
#[derive(Debug, Clone, PartialEq)]
pub struct TslType {
    /// The asset type; checked.
    pub asset_type: AssetType,
    /// Members that are not kept, each with its place; to be shown, not to be corrected.
    pub left_out: Vec<Fault>,
}

/// The value of `schema`.
const SCHEMA: &str = "https://iotx-tsl.oss-ap-southeast-1.aliyuncs.com/schema.json";
/// The value of `profile.version`.
const VERSION: &str = "1.5";
