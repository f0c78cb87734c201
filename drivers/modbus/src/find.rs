//! Finds where a device keeps its registers, for a person who has no map of it.
//!
//! A device has a few runs of registers in a space of 65,536 and refuses everything else. Reading one register here and
//! there finds a run as long as [`STRIDE`] for sure; then its beginning is walked to. Pure probing: nothing is written.

use sdk::Clock;
use std::time::Duration;
use types::Fault;

use crate::{
    config::Config,
    fault,
    pdu::{Exception, Reply, Request, Table},
    session::Session,
};

/// Runs shorter than this may be missed at first; walking back finds those that stand before a longer one.
const STRIDE: u16 = 8;
/// Registers that may be missing between two runs of one map.
const HOLE_MAX: u16 = 16;
/// Registers walked back at most.
const WALK_MAX: u16 = 256;
/// The search is given up after this; a slow line gets as far as it gets.
const BUDGET: Duration = Duration::from_secs(20);
/// Where devices like to begin: asked first, because on a slow line the rest takes minutes.
const LIKELY: [u16; 24] = [
    0, 1, 10, 100, 200, 256, 300, 400, 500, 512, 768, 1_000, 1_024, 2_000, 2_048, 3_000, 4_000, 4_096, 5_000,
    6_000, 8_192, 10_000, 20_000, 40_000,
];

/// The first register of the first run that answers.
pub(crate) async fn first_run(
    session: &mut Session,
    config: &Config,
    clock: &Clock,
) -> Result<(Table, u16), Fault> {
    let end = clock.monotonic() + BUDGET;
    let tables = [Table::HoldingRegisters, Table::InputRegisters];
    // Likely places of both tables come before the long search of either.
    let likely = tables.into_iter().flat_map(|table| LIKELY.into_iter().map(move |start| (table, start)));
    let all = tables.into_iter().flat_map(|table| (0..=u16::MAX / STRIDE).map(move |n| (table, n * STRIDE)));
    let mut unsupported: Option<Table> = None;
    for (table, start) in likely.chain(all) {
        if clock.monotonic() > end {
            break;
        }
        if unsupported == Some(table) {
            continue;
        }
        match probe(session, config, table, start).await? {
            Answer::Here => return Ok((table, walk_back(session, config, table, start).await?)),
            Answer::Nothing => {}
            Answer::NoSuchTable => unsupported = Some(table),
        }
    }
    Err(fault::nothing_found(config, BUDGET))
}

enum Answer {
    Here,
    Nothing,
    NoSuchTable,
}

async fn probe(session: &mut Session, config: &Config, table: Table, start: u16) -> Result<Answer, Fault> {
    let request = Request::Read { table, start, count: 1 };
    let asked = session.ask_one(&request).await.map_err(|trouble| trouble.fault(config))?;
    Ok(match asked.1 {
        Reply::Data(_) => Answer::Here,
        Reply::Refused(Exception::ILLEGAL_FUNCTION) => Answer::NoSuchTable,
        Reply::Refused(_) | Reply::Written => Answer::Nothing,
    })
}

/// To the beginning of the device's map: back over runs and the small holes between them.
async fn walk_back(session: &mut Session, config: &Config, table: Table, from: u16) -> Result<u16, Fault> {
    let mut start = from;
    let mut empty = 0;
    for at in (0..from).rev().take(usize::from(WALK_MAX)) {
        match probe(session, config, table, at).await? {
            Answer::Here => (start, empty) = (at, 0),
            _ if empty == HOLE_MAX => break,
            _ => empty += 1,
        }
    }
    Ok(start)
}
