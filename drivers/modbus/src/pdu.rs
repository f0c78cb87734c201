//! What is said: requests and replies without their wrapping, encoded and decoded for both sides. No IO.
//!
//! Source: MODBUS Application Protocol Specification V1.1b3, sections 4.1, 6 and 7. Everything is big-endian.
//! Deliberately absent: diagnostics, file records and FIFO queues; no device that only measures needs them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest PDU: 256 bytes of RS-485 ADU less unit id and CRC.
pub const PDU_BYTES_MAX: usize = 253;
/// The most registers one read may ask for.
pub const READ_REGISTERS_MAX: u16 = 125;
/// The most bits one read may ask for.
pub const READ_BITS_MAX: u16 = 2_000;
/// The most registers one write may carry.
pub const WRITE_REGISTERS_MAX: u16 = 123;
/// The most bits one write may carry.
pub const WRITE_BITS_MAX: u16 = 1_968;
/// The most registers the write half of function 23 may carry.
pub const READ_WRITE_REGISTERS_MAX: u16 = 121;

/// The four tables of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Bits that can be read and written; `0xxxx`.
    Coils,
    /// Bits that can only be read; `1xxxx`.
    DiscreteInputs,
    /// Registers that can only be read; `3xxxx`.
    InputRegisters,
    /// Registers that can be read and written; `4xxxx`.
    HoldingRegisters,
}

impl Table {
    /// All of them, in the order of their leading digit.
    pub const ALL: [Table; 4] =
        [Table::Coils, Table::DiscreteInputs, Table::InputRegisters, Table::HoldingRegisters];

    /// Holds bits, not registers.
    pub const fn is_bits(self) -> bool {
        matches!(self, Table::Coils | Table::DiscreteInputs)
    }
    /// The protocol has functions that write it.
    pub const fn is_writable(self) -> bool {
        matches!(self, Table::Coils | Table::HoldingRegisters)
    }
    /// The most cells one request may read.
    pub const fn read_max(self) -> u16 {
        if self.is_bits() { READ_BITS_MAX } else { READ_REGISTERS_MAX }
    }
    const fn read_function(self) -> u8 {
        match self {
            Table::Coils => 1,
            Table::DiscreteInputs => 2,
            Table::HoldingRegisters => 3,
            Table::InputRegisters => 4,
        }
    }
    const fn of_read_function(function: u8) -> Option<Table> {
        Some(match function {
            1 => Table::Coils,
            2 => Table::DiscreteInputs,
            3 => Table::HoldingRegisters,
            4 => Table::InputRegisters,
            _ => return None,
        })
    }
}

/// A refusal by the device or by a gateway (section 7 of the specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exception(pub u8);

impl Exception {
    /// The function is not supported.
    pub const ILLEGAL_FUNCTION: Exception = Exception(1);
    /// There is no such address, or not so many from there.
    pub const ILLEGAL_ADDRESS: Exception = Exception(2);
    /// A value or a count is not allowed.
    pub const ILLEGAL_VALUE: Exception = Exception(3);
    /// The device failed while doing it.
    pub const DEVICE_FAILURE: Exception = Exception(4);
    /// Accepted, but it takes long.
    pub const ACKNOWLEDGE: Exception = Exception(5);
    /// Busy with a long command.
    pub const BUSY: Exception = Exception(6);
    /// Memory parity error.
    pub const MEMORY_PARITY: Exception = Exception(8);
    /// The gateway has no path to the unit.
    pub const GATEWAY_PATH: Exception = Exception(0x0A);
    /// The unit behind the gateway does not answer.
    pub const GATEWAY_TARGET: Exception = Exception(0x0B);

    /// The name that the specification gives it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            1 => "illegal function",
            2 => "illegal data address",
            3 => "illegal data value",
            4 => "server device failure",
            5 => "acknowledge",
            6 => "server device busy",
            8 => "memory parity error",
            0x0A => "gateway path unavailable",
            0x0B => "gateway target device failed to respond",
            _ => "unknown exception",
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exception {} ({})", self.0, self.name())
    }
}

/// Bytes that are not what the protocol allows here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum FrameError {
    #[error("the frame is empty")]
    Empty,
    #[error("protocol id {0}, which must be 0")]
    Protocol(u16),
    #[error("a length of {0} bytes, which must be 2 to 254")]
    Length(u16),
    #[error("transaction {got} where {wanted} was asked")]
    Transaction { wanted: u16, got: u16 },
    #[error("unit {got} answered where {wanted} was asked")]
    Unit { wanted: u8, got: u8 },
    #[error("function {got} answered where {wanted} was asked")]
    Function { wanted: u8, got: u8 },
    #[error("function {0} is unknown")]
    UnknownFunction(u8),
    #[error("{got} bytes where {wanted} were due")]
    Bytes { wanted: usize, got: usize },
    #[error("a count that does not fit the function")]
    Count,
    #[error("a coil value that is neither 0x0000 nor 0xFF00")]
    CoilValue,
    #[error("the device echoed another write than the one sent")]
    Echo,
    #[error("a wrong checksum")]
    Checksum,
    #[error("bytes that nobody asked for")]
    Unasked,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Functions 1 to 4.
    Read {
        /// Where.
        table: Table,
        /// First cell, from 0.
        start: u16,
        /// How many cells.
        count: u16,
    },
    /// Function 5.
    WriteCoil {
        /// Which, from 0.
        address: u16,
        /// To what.
        value: bool,
    },
    /// Function 6.
    WriteRegister {
        /// Which, from 0.
        address: u16,
        /// To what.
        value: u16,
    },
    /// Function 15.
    WriteCoils {
        /// First, from 0.
        start: u16,
        /// In order.
        values: Vec<bool>,
    },
    /// Function 16.
    WriteRegisters {
        /// First, from 0.
        start: u16,
        /// In order.
        values: Vec<u16>,
    },
    /// Function 22: `register = (register AND and) OR (or AND NOT and)`.
    MaskWrite {
        /// Which, from 0.
        address: u16,
        /// Bits that stay.
        and: u16,
        /// Bits to set among those that do not stay.
        or: u16,
    },
    /// Function 23: writes first, then reads.
    ReadWrite {
        /// First register to read, from 0.
        read_start: u16,
        /// How many.
        read_count: u16,
        /// First register to write, from 0.
        write_start: u16,
        /// In order.
        values: Vec<u16>,
    },
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Bits, the first in the lowest bit of the first byte; or registers, two bytes each, high byte first.
    Data(Vec<u8>),
    /// The write was done.
    Written,
    /// Refused.
    Refused(Exception),
}

impl Request {
    /// The function code.
    pub const fn function(&self) -> u8 {
        match self {
            Request::Read { table, .. } => table.read_function(),
            Request::WriteCoil { .. } => 5,
            Request::WriteRegister { .. } => 6,
            Request::WriteCoils { .. } => 15,
            Request::WriteRegisters { .. } => 16,
            Request::MaskWrite { .. } => 22,
            Request::ReadWrite { .. } => 23,
        }
    }

    /// Appends the PDU.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.push(self.function());
        match self {
            Request::Read { start, count, .. } => words(to, &[*start, *count]),
            Request::WriteCoil { address, value } => words(to, &[*address, coil_word(*value)]),
            Request::WriteRegister { address, value } => words(to, &[*address, *value]),
            Request::WriteCoils { start, values } => {
                words(to, &[*start, values.len() as u16]);
                to.push(values.len().div_ceil(8) as u8);
                to.extend(pack_bits(values.iter().copied()));
            }
            Request::WriteRegisters { start, values } => {
                words(to, &[*start, values.len() as u16]);
                to.push((values.len() * 2) as u8);
                words(to, values);
            }
            Request::MaskWrite { address, and, or } => words(to, &[*address, *and, *or]),
            Request::ReadWrite { read_start, read_count, write_start, values } => {
                words(to, &[*read_start, *read_count, *write_start, values.len() as u16]);
                to.push((values.len() * 2) as u8);
                words(to, values);
            }
        }
    }

    /// Reads a request, as a server does.
    pub fn decode(pdu: &[u8]) -> Result<Request, FrameError> {
        let (&function, body) = pdu.split_first().ok_or(FrameError::Empty)?;
        if let Some(table) = Table::of_read_function(function) {
            let [start, count] = fixed(body)?;
            in_count(count, table.read_max())?;
            return Ok(Request::Read { table, start, count });
        }
        Ok(match function {
            5 => match fixed(body)? {
                [address, 0xFF00] => Request::WriteCoil { address, value: true },
                [address, 0x0000] => Request::WriteCoil { address, value: false },
                _ => return Err(FrameError::CoilValue),
            },
            6 => {
                let [address, value] = fixed(body)?;
                Request::WriteRegister { address, value }
            }
            15 => {
                let ([start, count], data) = counted(body)?;
                in_count(count, WRITE_BITS_MAX)?;
                exactly(data, usize::from(count).div_ceil(8))?;
                Request::WriteCoils { start, values: unpack_bits(data).take(usize::from(count)).collect() }
            }
            16 => {
                let ([start, count], data) = counted(body)?;
                in_count(count, WRITE_REGISTERS_MAX)?;
                exactly(data, usize::from(count) * 2)?;
                Request::WriteRegisters { start, values: registers(data).collect() }
            }
            22 => {
                let [address, and, or] = fixed(body)?;
                Request::MaskWrite { address, and, or }
            }
            23 => {
                let ([read_start, read_count, write_start, count], data) = counted(body)?;
                in_count(read_count, READ_REGISTERS_MAX)?;
                in_count(count, READ_WRITE_REGISTERS_MAX)?;
                exactly(data, usize::from(count) * 2)?;
                let values = registers(data).collect();
                Request::ReadWrite { read_start, read_count, write_start, values }
            }
            other => return Err(FrameError::UnknownFunction(other)),
        })
    }

    /// Bytes of data that a good reply to this carries; `None` for a write.
    fn data_bytes(&self) -> Option<usize> {
        match self {
            Request::Read { table, count, .. } if table.is_bits() => Some(usize::from(*count).div_ceil(8)),
            Request::Read { count, .. } | Request::ReadWrite { read_count: count, .. } => {
                Some(usize::from(*count) * 2)
            }
            _ => None,
        }
    }

    /// What a device repeats of a write to say that it was done.
    fn echo(&self) -> Vec<u8> {
        let mut pdu = Vec::with_capacity(8);
        self.encode(&mut pdu);
        pdu.truncate(match self {
            Request::WriteCoils { .. } | Request::WriteRegisters { .. } => 5,
            _ => pdu.len(),
        });
        pdu
    }
}

impl Reply {
    /// Appends the PDU of this reply to `request`, as a server does.
    pub fn encode(&self, request: &Request, to: &mut Vec<u8>) {
        match self {
            Reply::Data(data) => {
                to.extend([request.function(), data.len() as u8]);
                to.extend_from_slice(data);
            }
            Reply::Written => to.extend(request.echo()),
            Reply::Refused(exception) => to.extend([request.function() | 0x80, exception.0]),
        }
    }

    /// Reads the reply to `request`; function, byte count and echo must match it to the bit.
    pub fn decode(pdu: &[u8], request: &Request) -> Result<Reply, FrameError> {
        let (&function, body) = pdu.split_first().ok_or(FrameError::Empty)?;
        let wanted = request.function();
        if function == wanted | 0x80 {
            exactly(body, 1)?;
            return Ok(Reply::Refused(Exception(body[0])));
        }
        if function != wanted {
            return Err(FrameError::Function { wanted, got: function });
        }
        match request.data_bytes() {
            Some(bytes) => {
                exactly(body, bytes + 1)?;
                let (&count, data) = body.split_first().ok_or(FrameError::Empty)?;
                if usize::from(count) != bytes {
                    return Err(FrameError::Bytes { wanted: bytes, got: usize::from(count) });
                }
                Ok(Reply::Data(data.to_vec()))
            }
            None => {
                let echo = request.echo();
                exactly(pdu, echo.len())?;
                if pdu == echo { Ok(Reply::Written) } else { Err(FrameError::Echo) }
            }
        }
    }
}

/// Bits in wire order: the first in the lowest bit of the first byte.
pub fn pack_bits(bits: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, bit) in bits.into_iter().enumerate() {
        if i % 8 == 0 {
            bytes.push(0);
        }
        if let Some(last) = bytes.last_mut() {
            *last |= u8::from(bit) << (i % 8);
        }
    }
    bytes
}

/// The reverse of [`pack_bits`]; the last byte's filling comes out too.
pub fn unpack_bits(bytes: &[u8]) -> impl Iterator<Item = bool> + '_ {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
}

/// Registers in wire order; an odd last byte is left out.
pub fn registers(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn words(to: &mut Vec<u8>, words: &[u16]) {
    to.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

const fn coil_word(value: bool) -> u16 {
    if value { 0xFF00 } else { 0 }
}

fn exactly(bytes: &[u8], wanted: usize) -> Result<(), FrameError> {
    if bytes.len() == wanted { Ok(()) } else { Err(FrameError::Bytes { wanted, got: bytes.len() }) }
}

fn in_count(count: u16, max: u16) -> Result<(), FrameError> {
    if (1..=max).contains(&count) { Ok(()) } else { Err(FrameError::Count) }
}

/// A body of exactly `N` words.
fn fixed<const N: usize>(body: &[u8]) -> Result<[u16; N], FrameError> {
    exactly(body, N * 2)?;
    let mut words = [0; N];
    words.iter_mut().zip(registers(body)).for_each(|(to, word)| *to = word);
    Ok(words)
}

/// A body of `N` words, a byte count, and so many bytes.
fn counted<const N: usize>(body: &[u8]) -> Result<([u16; N], &[u8]), FrameError> {
    let (head, rest) =
        body.split_at_checked(N * 2).ok_or(FrameError::Bytes { wanted: N * 2 + 1, got: body.len() })?;
    let (&count, data) =
        rest.split_first().ok_or(FrameError::Bytes { wanted: N * 2 + 1, got: body.len() })?;
    exactly(data, usize::from(count))?;
    Ok((fixed(head)?, data))
}
