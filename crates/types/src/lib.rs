//! The words of Sinew as Rust types: no IO, no async, no clock.
//!
//! Everything above depends on this crate, so it holds only what more than one store or leaf must
//! agree on. Behaviour that needs a clock, randomness or a disk lives elsewhere and takes these types.

mod batch;
mod env;
mod fault;
mod ids;
mod plant;
mod quality;
mod record;
mod time;
mod unit;
mod value;
mod write;

pub use batch::{
    Aggregate, BatchHeader, Bucket, ColumnsError, Latest, Origin, QualityRun, QualityRuns, SampleBatch,
    Section, Values,
};
pub use env::{Now, Random, random_bytes};
pub use fault::{Arg, Code, Fault, codes};
pub use ids::{IdError, ObjectId, OrgId, PointId, SourceId};
pub use plant::{
    Asset, AssetType, CataloguedPoint, Device, DeviceLimits, EventType, FunctionType, Label, NodeKind,
    ObjectKind, Parameter, Point, PropertyType, Scaling,
};
pub use quality::Quality;
pub use record::{
    Change, Cursor, Direction, Document, Event, EventDraft, Expected, Filter, Index, IndexValue, Page, Query,
    Revision, Stored,
};
pub use time::{Time, TimeError, Zone};
pub use unit::{Dimension, Unit, UnitError};
pub use value::{Value, ValueError, ValueType};
pub use write::{Command, CommandState, WritePolicy, WriteRefusal};
