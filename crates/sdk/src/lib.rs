//! What a leaf sees, and all it sees: descriptors, handles, fakes, contract suites and the shared pure parts.
//!
//! A leaf is a crate that depends on `sdk` and `types` and on its own third-party crates. It exports a descriptor
//! ([`Driver`], [`App`]): a plain struct of data and functions. Everything it may touch comes to it through handles,
//! which are concrete structs over `Arc<dyn Port>`, already scoped to one organisation and one caller. A port method
//! takes a batch and returns a boxed future: never one sample at a time, never generic.
//!
//! Deliberately absent: engines, spawning, the system clock, SQL, and any way to reach another leaf.

mod app;
mod browse;
mod clock;
mod commands;
pub mod contract;
mod door;
mod door_view;
mod driver;
mod events;
pub mod fake;
mod follow;
pub mod http;
mod ids;
mod net;
mod plant;
pub mod poll;
mod reach;
mod records;
mod samples;
mod scope;
mod secrets;
mod trust;
mod view;

pub use app::{App, AppTask};
pub use browse::{Browse, BrowsedKind, BrowsedNode};
pub use clock::{Clock, ClockPort, Elapsed};
pub use commands::{Commands, CommandsPort, Proposal};
pub use door::{
    Arrival, Arrivals, DeviceDraft, Door, DoorStatus, DoorTask, Enrolment, EnrolmentPort, Hall, Heard,
    Waiting,
};
pub use door_view::{ArrivalView, DoorInput, DoorState, DoorView, HeardView};
pub use driver::{
    AddressFacts, BoundPoint, BrowseDevice, Candidate, DeviceCounters, DeviceTask, Driver, Inspect,
    Inspection, Outage, OutageKind, Outbox, OutboxPort, Probe, ProbeReport, RawCell, WriteOrder, Written,
};
pub use events::{Events, EventsPort};
pub use follow::{Followed, Follower};
pub use ids::Ids;
pub use net::{
    Listener, ListenerPort, Net, NetPort, Parity, SerialBus, SerialBusPort, SerialSettings, Stream,
};
pub use plant::{Plant, PlantPort, PointQuery};
pub use reach::Reach;
pub use records::{Records, RecordsPort};
pub use samples::{AggregateQuery, LatestSample, RangeQuery, Samples, SamplesPort, Subscription};
pub use scope::{Caller, Handles, Scope};
pub use secrets::{Secrets, SecretsPort};
pub use trust::{Presented, Trust, TrustPort, Verdict};
pub use view::{Column, ColumnType, View};

/// The only shape of an asynchronous port method.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads JSON into a type that refuses unknown keys; the fault says where (`/points/3/unit`) and what is allowed.
pub fn parse_json<T: serde::de::DeserializeOwned>(json: &serde_json::Value) -> Result<T, types::Fault> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = json_pointer(error.path());
        types::Fault::new(
            types::codes::INVALID,
            format!("{}; correct this field and try again", error.inner()),
        )
        .arg("reason", error.inner().to_string())
        .at(path)
    })
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut to, segment| {
        to.push('/');
        match segment {
            Segment::Seq { index } => to.push_str(&index.to_string()),
            Segment::Map { key } => to.push_str(key),
            Segment::Enum { variant } => to.push_str(variant),
            Segment::Unknown => to.push('?'),
        }
        to
    })
}
