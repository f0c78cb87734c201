//! A device as the polling loop sees it: reads blocks, writes one point and reads it back.

use sdk::{
    BoundPoint, BoxFuture, DeviceCounters, DeviceTask, Outage, Outbox, Reach, WriteOrder,
    poll::{Block, BlockReply, Polled, Refusal, Span, Wiring, WriteFailure, serve},
};
use std::sync::Arc;
use tokio::sync::mpsc;
use types::{Fault, Quality, Value, ValueType};

use crate::{
    address::Address,
    config::{Config, Transport, WriteWith},
    dtu,
    fault::{self, Trouble},
    pdu::{Exception, READ_WRITE_REGISTERS_MAX, Reply, Request, WRITE_REGISTERS_MAX, unpack_bits},
    plan,
    session::Session,
    value::{self, Encoding},
};

/// Runs one device until its connection is lost.
pub(crate) async fn run(task: DeviceTask) -> Outage {
    let config = match Config::parse(&task.config) {
        Ok(config) => Arc::new(config),
        Err(faults) => return Outage::configuration(fault::first(faults)),
    };
    if config.transport == Transport::Dtu {
        return dtu::run(task, config).await;
    }
    let parts = Parts {
        config,
        addresses: plan::bind(&task.points).into(),
        points: task.points,
        outbox: task.outbox,
        reach: task.reach,
        phase_seed: task.phase_seed,
        counters: task.counters,
    };
    let (device, wiring) = parts.wire(task.writes);
    serve(device, wiring).await
}

/// What one device is polled with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    /// Of the points, in their order.
    pub(crate) addresses: Arc<[Option<Address>]>,
    pub(crate) points: Arc<[BoundPoint]>,
    pub(crate) outbox: Outbox,
    pub(crate) reach: Reach,
    pub(crate) phase_seed: u64,
    pub(crate) counters: Arc<DeviceCounters>,
}

impl Parts {
    /// For the polling loop.
    pub(crate) fn wire(self, writes: mpsc::Receiver<WriteOrder>) -> (impl Polled, Wiring) {
        let Parts { config, addresses, points, outbox, reach, phase_seed, counters } = self;
        let limits_config = config.clone();
        let wiring = Wiring {
            spans: plan::spans(&addresses),
            limits: Box::new(move |area| plan::limits(&limits_config, area)),
            points,
            outbox,
            writes,
            clock: reach.clock.clone(),
            phase_seed,
            counters: counters.clone(),
        };
        (Device { config, addresses, reach, counters, session: None }, wiring)
    }
}

struct Device {
    config: Arc<Config>,
    addresses: Arc<[Option<Address>]>,
    reach: Reach,
    counters: Arc<DeviceCounters>,
    session: Option<Session>,
}

impl Polled for Device {
    type Data = Vec<u8>;

    fn connect(&mut self) -> BoxFuture<'_, Result<(), Outage>> {
        Box::pin(async {
            let opened = Session::open(&self.config, &self.reach, self.counters.clone()).await;
            self.session = Some(opened.map_err(|trouble| trouble.outage(&self.config))?);
            Ok(())
        })
    }

    fn blocks_at_once(&self) -> usize {
        usize::from(self.config.max_in_flight)
    }

    fn read<'a>(
        &'a mut self,
        blocks: &'a [Block],
    ) -> BoxFuture<'a, Result<Vec<BlockReply<Vec<u8>>>, Outage>> {
        Box::pin(async {
            let requests: Vec<Request> = blocks.iter().map(plan::request).collect();
            let session = self.session.as_mut().ok_or(Trouble::Closed);
            let replies = match session {
                Ok(session) => session.ask(&requests).await,
                Err(trouble) => Err(trouble),
            };
            let mut outcomes = Vec::with_capacity(blocks.len());
            for (at, reply) in replies.map_err(|trouble| trouble.outage(&self.config))? {
                let outcome = match reply {
                    Reply::Data(data) => Ok(data),
                    Reply::Written => Err(Refusal::Passing(Quality::BAD)),
                    Reply::Refused(exception) => Err(self.refusal(exception)?),
                };
                outcomes.push(BlockReply { at, outcome });
            }
            Ok(outcomes)
        })
    }

    fn value(&self, span: &Span, block: &Block, data: &Vec<u8>) -> Result<Value, Quality> {
        match self.addresses.get(span.item as usize) {
            Some(Some(address)) => plan::value_in(address, block, data),
            _ => Err(Quality::BAD_CONFIGURATION),
        }
    }

    fn native(&self, item: u32) -> ValueType {
        let address = self.addresses.get(item as usize).and_then(Option::as_ref);
        address.map_or(ValueType::Bool, |a| a.encoding.value_type())
    }

    fn write(&mut self, item: u32, raw: Value) -> BoxFuture<'_, Result<Option<Value>, WriteFailure>> {
        Box::pin(async move {
            let Some(Some(address)) = self.addresses.get(item as usize).copied() else {
                let detail = "the address of this point is wrong; correct it and try again";
                return Err(WriteFailure::Refused(Fault::new("modbus.address", detail)));
            };
            let request =
                write_request(&address, &raw, self.config.write_with).map_err(WriteFailure::Refused)?;
            match self.ask(&request).await? {
                Reply::Refused(exception) => {
                    let what = format!("the write to {address}");
                    Err(WriteFailure::Refused(fault::refusal(exception, &what, &self.config)))
                }
                Reply::Data(data) => Ok(decode_read(&address, &data)),
                Reply::Written => self.read_back(&address).await,
            }
        })
    }
}

impl Device {
    /// What a refused read means: the unit behind a gateway being gone ends the run, everything else does not.
    fn refusal(&self, exception: Exception) -> Result<Refusal, Outage> {
        match exception {
            // A device that gives less at once than the standard says may answer with 3.
            Exception::ILLEGAL_ADDRESS | Exception::ILLEGAL_VALUE => Ok(Refusal::Address),
            Exception::ILLEGAL_FUNCTION => Ok(Refusal::Passing(Quality::BAD_CONFIGURATION)),
            Exception::GATEWAY_PATH | Exception::GATEWAY_TARGET => {
                Err(Outage::connection(fault::refusal(exception, "a read", &self.config)))
            }
            _ => Ok(Refusal::Passing(Quality::BAD_DEVICE_FAILURE)),
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, WriteFailure> {
        let asked = match self.session.as_mut() {
            Some(session) => session.ask_one(request).await,
            None => Err(Trouble::Closed),
        };
        match asked {
            Ok((_, reply)) => Ok(reply),
            Err(trouble) => Err(WriteFailure::Lost(trouble.outage(&self.config))),
        }
    }

    async fn read_back(&mut self, address: &Address) -> Result<Option<Value>, WriteFailure> {
        let count = address.encoding.cells();
        let read = Request::Read { table: address.table, start: address.start, count };
        Ok(match self.ask(&read).await {
            Ok(Reply::Data(data)) => decode_read(address, &data),
            // The write itself was done; a loss shows at the next read.
            Ok(_) | Err(_) => None,
        })
    }
}

/// The value of an address in data that starts there.
fn decode_read(address: &Address, data: &[u8]) -> Option<Value> {
    match address.encoding {
        Encoding::Coil => unpack_bits(data).next().map(Value::Bool),
        encoding => value::decode(data, encoding, address.order).ok(),
    }
}

/// The request that writes a raw value.
fn write_request(address: &Address, raw: &Value, with: WriteWith) -> Result<Request, Fault> {
    let start = address.start;
    if !address.table.is_writable() {
        let detail =
            format!("{address} can only be read; choose a coil (0xxxx) or a holding register (4xxxx)");
        return Err(Fault::new("modbus.read-only", detail).arg("address", address.to_string()));
    }
    let values = value::encode(raw, address.encoding, address.order).map_err(|error| {
        Fault::new("write.does-not-fit", format!("{error}; choose another value"))
            .arg("reason", error.to_string())
    })?;
    let first = values.first().copied().unwrap_or(0);
    let most = if with == WriteWith::ReadWrite { READ_WRITE_REGISTERS_MAX } else { WRITE_REGISTERS_MAX };
    if values.len() > usize::from(most) {
        let detail =
            format!("{address} is longer than the {most} registers of one write; take a shorter text");
        return Err(Fault::new("write.does-not-fit", detail.clone()).arg("reason", detail));
    }
    Ok(match (address.encoding, with) {
        (Encoding::Bit(bit), _) => {
            let mask = 1u16 << (bit & 15);
            Request::MaskWrite { address: start, and: !mask, or: first * mask }
        }
        (Encoding::Coil, WriteWith::Multiple) => Request::WriteCoils { start, values: vec![first != 0] },
        (Encoding::Coil, _) => Request::WriteCoil { address: start, value: first != 0 },
        (_, WriteWith::ReadWrite) => {
            let read_count = values.len() as u16;
            Request::ReadWrite { read_start: start, read_count, write_start: start, values }
        }
        (_, WriteWith::Auto) if values.len() == 1 => Request::WriteRegister { address: start, value: first },
        _ => Request::WriteRegisters { start, values },
    })
}
