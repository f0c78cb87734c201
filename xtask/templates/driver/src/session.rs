//! One device over one connection: the only file with IO. One request at a time; a reply that comes late would be
//! taken for the next one, so a timeout ends the connection.

use sdk::{
    BoundPoint, BoxFuture, Candidate, Clock, DeviceCounters, DeviceTask, Inspect, Inspection, Net, Outage, Probe,
    ProbeReport, RawCell, Stream,
    poll::{Block, BlockReply, Limits, Polled, Refusal, Span, Wiring, WriteFailure, serve},
};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use types::{Fault, Quality, Value, ValueType};

use crate::{
    address::Address,
    config::Config,
    frame::{LINE_BYTES_MAX, Reply, Request},
    value,
};

/// Runs one device until the connection is lost.
pub(crate) async fn run(task: DeviceTask) -> Outage {
    let config = match read_config(&task.config) {
        Ok(config) => config,
        Err(fault) => return Outage::configuration(fault),
    };
    let spans = spans(&task.points);
    let session = Session {
        line: Line { config, net: task.reach.net, clock: task.reach.clock.clone(), counters: task.counters.clone(), open: None },
        points: addresses(&task.points),
    };
    let wiring = Wiring {
        points: task.points,
        spans,
        limits: Box::new(|_area| Limits { span_max: 1, gap_max: 0, one_item: true }),
        outbox: task.outbox,
        writes: task.writes,
        clock: task.reach.clock,
        phase_seed: task.phase_seed,
        counters: task.counters,
    };
    serve(session, wiring).await
}

/// Asks once what the device is.
pub(crate) async fn probe(probe: Probe) -> Result<ProbeReport, Fault> {
    let mut line = Line::once(&probe.config, probe.reach.net, probe.reach.clock.clone())?;
    line.connect().await.map_err(|outage| outage.fault)?;
    let start = probe.reach.clock.monotonic();
    let reply = line.ask(&Request::Identify).await.map_err(|outage| outage.fault)?;
    let round_trip_ms = probe.reach.clock.monotonic().saturating_sub(start).as_secs_f64() * 1e3;
    // A refusal is an answer too: the device is there, it only does not say what it is.
    let identity = match reply {
        Reply::Ok(text) => vec![("identity".to_string(), text)],
        Reply::Refused(_) => Vec::new(),
    };
    Ok(ProbeReport { round_trip_ms, suggested_config: None, identity })
}

/// Shows one value in every type that it can be read as. There are no neighbours: names have no order.
pub(crate) async fn inspect(inspect: Inspect) -> Result<Inspection, Fault> {
    let address = Address::parse(&inspect.address)?;
    let mut line = Line::once(&inspect.config, inspect.reach.net, inspect.reach.clock)?;
    line.connect().await.map_err(|outage| outage.fault)?;
    let reply = line.ask(&Request::Get(&address.name)).await.map_err(|outage| outage.fault)?;
    let Reply::Ok(text) = reply else {
        let raw = vec![RawCell { address: address.to_string(), ..RawCell::default() }];
        return Ok(Inspection { raw, candidates: Vec::new() });
    };
    let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let types = [ValueType::F64, ValueType::I64, ValueType::U64, ValueType::Bool, ValueType::String];
    let candidates = types.into_iter().filter_map(|value_type| {
        let value = value::decode(&text, value_type).ok()?;
        let address = Address { name: address.name.clone(), value_type };
        let plausible = value.as_f64().is_none_or(f64::is_finite);
        let reading = format!("{value_type:?}").to_lowercase();
        Some(Candidate { address: address.to_string(), reading, value_type, value: value.to_json(), plausible })
    });
    let candidates = candidates.collect();
    Ok(Inspection { raw: vec![RawCell { address: address.to_string(), hex: Some(hex), ..RawCell::default() }], candidates })
}

fn read_config(json: &serde_json::Value) -> Result<Config, Fault> {
    Config::parse(json).map_err(|mut faults| faults.remove(0))
}

/// Addresses in the order of the points; those that cannot be read have none.
fn addresses(points: &[BoundPoint]) -> Vec<Option<Address>> {
    points.iter().map(|point| Address::parse(&point.address).ok()).collect()
}

/// One cell a point, each by itself.
fn spans(points: &[BoundPoint]) -> Vec<Span> {
    let readable = (0..).zip(addresses(points)).filter(|(_, address)| address.is_some());
    readable.map(|(item, _)| Span { area: 0, start: item, len: 1, item }).collect()
}

/// The connection.
struct Line {
    config: Config,
    net: Net,
    clock: Clock,
    counters: Arc<DeviceCounters>,
    open: Option<BufReader<Box<dyn Stream>>>,
}

impl Line {
    /// For one question outside of a device's run.
    fn once(json: &serde_json::Value, net: Net, clock: Clock) -> Result<Line, Fault> {
        Ok(Line { config: read_config(json)?, net, clock, counters: Arc::default(), open: None })
    }

    async fn connect(&mut self) -> Result<(), Outage> {
        let Config { host, port, .. } = &self.config;
        let opened = self.net.connect_tcp(host, *port, self.config.timeout()).await;
        let stream = opened.map_err(|error| {
            let place = self.config.place();
            let detail = format!("no connection to {place}: {error}; check address, port and cable");
            Outage::connection(Fault::new("@name@.no-tcp", detail).arg("place", place))
        })?;
        self.open = Some(BufReader::new(stream));
        Ok(())
    }

    /// One request and its reply.
    async fn ask(&mut self, request: &Request<'_>) -> Result<Reply, Outage> {
        DeviceCounters::count(&self.counters.requests);
        let span = self.config.timeout();
        let outcome = match self.open.as_mut() {
            Some(stream) => self.clock.timeout(span, exchange(stream, request)).await,
            None => Ok(Err("the connection is closed".to_string())),
        };
        let reason = match outcome {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(reason)) => reason,
            Err(_elapsed) => format!("no reply within {} ms", span.as_millis()),
        };
        DeviceCounters::count(&self.counters.failures);
        self.open = None;
        let place = self.config.place();
        let detail = format!("{place} was lost: {reason}; check that the device runs and speaks this protocol");
        Err(Outage::connection(Fault::new("@name@.no-reply", detail).arg("place", place).arg("reason", reason)))
    }
}

async fn exchange(stream: &mut BufReader<Box<dyn Stream>>, request: &Request<'_>) -> Result<Reply, String> {
    stream.write_all(&request.encode()).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to see that the line is too long.
    let mut bounded = stream.take(LINE_BYTES_MAX as u64 + 1);
    bounded.read_until(b'\n', &mut bytes).await.map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("the device closed the connection".to_string());
    }
    Reply::decode(&bytes).map_err(|error| error.to_string())
}

/// A device as the polling loop sees it.
struct Session {
    line: Line,
    points: Vec<Option<Address>>,
}

impl Session {
    fn address(&self, item: u32) -> Option<&Address> {
        self.points.get(item as usize)?.as_ref()
    }

    async fn get(&mut self, item: u32) -> Result<Result<String, Refusal>, Outage> {
        let Some(name) = self.address(item).map(|address| address.name.clone()) else {
            return Ok(Err(Refusal::Address));
        };
        Ok(match self.line.ask(&Request::Get(&name)).await? {
            Reply::Ok(text) => Ok(text),
            Reply::Refused(_) => Err(Refusal::Address),
        })
    }

    async fn set(&mut self, item: u32, raw: Value) -> Result<Option<Value>, WriteFailure> {
        let Some(address) = self.address(item).cloned() else {
            let detail = "the point has no address in the device: correct it and try again";
            return Err(WriteFailure::Refused(Fault::new("@name@.refused", detail).arg("reason", "no address")));
        };
        let text = value::encode(&raw);
        let reply = self.line.ask(&Request::Set(&address.name, &text)).await.map_err(WriteFailure::Lost)?;
        match reply {
            Reply::Ok(text) => Ok(value::decode(&text, address.value_type).ok()),
            Reply::Refused(reason) => {
                let detail = format!("the device refused it: {reason}; look at the device and try again");
                Err(WriteFailure::Refused(Fault::new("@name@.refused", detail).arg("reason", reason)))
            }
        }
    }
}

impl Polled for Session {
    type Data = String;

    fn connect(&mut self) -> BoxFuture<'_, Result<(), Outage>> {
        Box::pin(self.line.connect())
    }

    fn read<'a>(&'a mut self, blocks: &'a [Block]) -> BoxFuture<'a, Result<Vec<BlockReply<String>>, Outage>> {
        Box::pin(async move {
            let mut replies = Vec::with_capacity(blocks.len());
            for block in blocks {
                let outcome = match block.spans.first() {
                    Some(span) => self.get(span.item).await?,
                    None => Err(Refusal::Address),
                };
                replies.push(BlockReply { at: self.line.clock.now(), outcome });
            }
            Ok(replies)
        })
    }

    fn value(&self, span: &Span, _: &Block, data: &String) -> Result<Value, Quality> {
        let address = self.address(span.item).ok_or(Quality::BAD_CONFIGURATION)?;
        value::decode(data, address.value_type)
    }

    fn native(&self, item: u32) -> ValueType {
        self.address(item).map_or(ValueType::F64, |address| address.value_type)
    }

    fn write(&mut self, item: u32, raw: Value) -> BoxFuture<'_, Result<Option<Value>, WriteFailure>> {
        Box::pin(self.set(item, raw))
    }
}
