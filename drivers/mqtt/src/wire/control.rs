//! The rare packets, read by the codec crate and brought into one shape for all versions.
//!
//! Around the codec stand the checks that it leaves out: reserved flags, a password without a user name (3.1.1, 3.1.2.9),
//! will flags without a will (5, 3.1.2.6), bytes after the end.

use bytes::{Bytes, BytesMut};
use rmqtt_codec::{error::DecodeError, v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use super::{Frame, Properties, Reason, Version, first};

/// CONNECT of any version.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// Rules to follow.
    pub version: Version,
    /// May be empty.
    pub client_id: String,
    /// Forget the session before.
    pub clean_start: bool,
    /// 0 for none.
    pub keep_alive_s: u16,
    /// Credentials.
    pub username: Option<String>,
    /// Credentials.
    pub password: Option<Bytes>,
    /// Published when the connection is lost.
    pub will: Option<Will>,
    /// How long the session outlives the connection; `u32::MAX` for ever.
    pub session_expiry_s: u32,
    /// QoS 1 and 2 messages that the client takes at once.
    pub receive_max: u16,
    /// The longest packet the client takes, in bytes.
    pub packet_bytes_max: u32,
    /// Topic aliases that the client keeps for us.
    pub alias_max: u16,
    /// Wants enhanced authentication.
    pub auth_method: bool,
}

/// A will.
#[derive(Debug, Clone, PartialEq)]
pub struct Will {
    /// Unchecked.
    pub topic: String,
    /// The message.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// To be kept.
    pub retain: bool,
    /// Waits that long after the connection is lost.
    pub delay_s: u32,
    /// Of the message.
    pub properties: Option<Box<Properties>>,
}

/// Options of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// At most this QoS.
    pub qos: u8,
    /// Not what the client itself publishes.
    pub no_local: bool,
    /// Keep the retain flag as the publisher set it.
    pub retain_as_published: bool,
    /// 0: send retained messages; 1: only when the subscription is new; 2: do not.
    pub retain_handling: u8,
}

/// SUBSCRIBE.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// For the answer.
    pub packet_id: u16,
    /// Sent along with what matches.
    pub subscription_id: Option<u32>,
    /// At least one; unchecked.
    pub filters: Vec<(String, Options)>,
}

/// A rare packet of a client that is connected.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// SUBSCRIBE.
    Subscribe(Subscribe),
    /// UNSUBSCRIBE: packet id and filters.
    Unsubscribe(u16, Vec<String>),
    /// DISCONNECT: reason, new session expiry.
    Disconnect(Reason, Option<u32>),
}

/// Which version a CONNECT asks for.
///
/// # Errors
/// [`Reason::VERSION`] for another level; [`Reason::MALFORMED`] when it is no CONNECT of MQTT at all.
pub fn version(frame: Frame<'_>) -> Result<Version, Reason> {
    match (frame.first, frame.body) {
        (first::CONNECT, [0, 4, b'M', b'Q', b'T', b'T', level, ..]) => match level {
            4 => Ok(Version::V3),
            5 => Ok(Version::V5),
            _ => Err(Reason::VERSION),
        },
        (first::CONNECT, [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..]) => match level {
            3 => Ok(Version::V3),
            _ => Err(Reason::VERSION),
        },
        _ => Err(Reason::MALFORMED),
    }
}

/// Place of the connect flags: after name and level.
fn flags_at(body: &[u8]) -> usize {
    if body.get(1) == Some(&6) { 9 } else { 7 }
}

const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_OPTIONS: u8 = 0x38;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// Reads a CONNECT; `whole` is the packet with its header.
///
/// # Errors
/// A reason for CONNACK.
pub fn connect(version: Version, frame: Frame<'_>, whole: &[u8]) -> Result<Connect, Reason> {
    let at = flags_at(frame.body);
    let flags = *frame.body.get(at).ok_or(Reason::MALFORMED)?;
    if flags & WILL == 0 && flags & WILL_OPTIONS != 0 {
        return Err(Reason::MALFORMED);
    }
    if version == Version::V3 && flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(Reason::MALFORMED);
    }
    let mut bytes = BytesMut::from(whole);
    let clean_start = flags & CLEAN_START != 0;
    match version {
        Version::V3 => match v3::Codec::new(0).decode(&mut bytes).map_err(reason)? {
            Some((v3::Packet::Connect(packet), _)) => Ok(from_v3(*packet, clean_start)),
            _ => Err(Reason::MALFORMED),
        },
        Version::V5 => {
            // The codec refuses an empty client id without clean start, which version 5 allows (3.1.3.1): it is read with
            // the flag set, and the flag is taken from the packet.
            bytes[frame.len - frame.body.len() + at] |= CLEAN_START;
            match v5::Codec::new(0, 0).decode(&mut bytes).map_err(reason)? {
                Some((v5::Packet::Connect(packet), _)) => Ok(from_v5(*packet, clean_start)),
                _ => Err(Reason::MALFORMED),
            }
        }
    }
}

fn from_v3(packet: v3::Connect, clean_start: bool) -> Connect {
    let will = packet.last_will.map(|will| Will {
        topic: will.topic.to_string(),
        payload: will.message,
        qos: will.qos.value(),
        retain: will.retain,
        delay_s: 0,
        properties: None,
    });
    Connect {
        version: Version::V3,
        client_id: packet.client_id.to_string(),
        clean_start,
        keep_alive_s: packet.keep_alive,
        username: packet.username.map(|name| name.to_string()),
        password: packet.password,
        will,
        session_expiry_s: if clean_start { 0 } else { u32::MAX },
        receive_max: u16::MAX,
        packet_bytes_max: u32::MAX,
        alias_max: 0,
        auth_method: false,
    }
}

fn from_v5(packet: v5::Connect, clean_start: bool) -> Connect {
    let will = packet.last_will.map(|will| {
        let properties = Properties {
            utf8: will.is_utf8_payload.unwrap_or(false),
            expiry_s: will.message_expiry_interval.map(u32::from),
            content_type: will.content_type.map(|text| text.to_string()),
            response_topic: will.response_topic.map(|text| text.to_string()),
            correlation: will.correlation_data,
            user: will.user_properties.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        };
        Will {
            topic: will.topic.to_string(),
            payload: will.message,
            qos: will.qos.value(),
            retain: will.retain,
            delay_s: will.will_delay_interval_sec.unwrap_or(0),
            properties: (properties != Properties::default()).then(|| Box::new(properties)),
        }
    });
    Connect {
        version: Version::V5,
        client_id: packet.client_id.to_string(),
        clean_start,
        keep_alive_s: packet.keep_alive,
        username: packet.username.map(|name| name.to_string()),
        password: packet.password,
        will,
        session_expiry_s: packet.session_expiry_interval_secs,
        receive_max: packet.receive_max.map_or(u16::MAX, u16::from),
        packet_bytes_max: packet.max_packet_size.map_or(u32::MAX, u32::from),
        alias_max: packet.topic_alias_max,
        auth_method: packet.auth_method.is_some() || packet.auth_data.is_some(),
    }
}

/// Reads SUBSCRIBE, UNSUBSCRIBE or DISCONNECT; `whole` is the packet with its header.
///
/// # Errors
/// A reason for DISCONNECT; [`Reason::PROTOCOL`] for a packet that a client may not send here.
pub fn control(version: Version, whole: &[u8]) -> Result<Control, Reason> {
    match whole.first() {
        Some(&(first::SUBSCRIBE | first::UNSUBSCRIBE | first::DISCONNECT)) => {}
        Some(&first::AUTH) if version == Version::V5 => return Err(Reason::PROTOCOL),
        Some(&(first::CONNECT | first::CONNACK | first::SUBACK | first::UNSUBACK | first::PINGRESP)) => {
            return Err(Reason::PROTOCOL);
        }
        _ => return Err(Reason::MALFORMED),
    }
    let bytes = &mut BytesMut::from(whole);
    match version {
        Version::V3 => {
            let packet = v3::Codec::new(0).decode(bytes).map_err(reason)?.ok_or(Reason::MALFORMED)?.0;
            control_v3(packet, whole)
        }
        Version::V5 => {
            let packet = v5::Codec::new(0, 0).decode(bytes).map_err(reason)?.ok_or(Reason::MALFORMED)?.0;
            control_v5(packet)
        }
    }
}

fn control_v3(packet: v3::Packet, whole: &[u8]) -> Result<Control, Reason> {
    Ok(match packet {
        v3::Packet::Subscribe { packet_id, topic_filters } => {
            let options =
                |qos| Options { qos, no_local: false, retain_as_published: false, retain_handling: 0 };
            let filters =
                topic_filters.iter().map(|(filter, qos)| (filter.to_string(), options(qos.value())));
            Control::Subscribe(Subscribe {
                packet_id: packet_id.get(),
                subscription_id: None,
                filters: filters.collect(),
            })
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            Control::Unsubscribe(packet_id.get(), topic_filters.iter().map(|f| f.to_string()).collect())
        }
        v3::Packet::Disconnect if whole.len() == 2 => Control::Disconnect(Reason::SUCCESS, None),
        _ => return Err(Reason::MALFORMED),
    })
}

fn control_v5(packet: v5::Packet) -> Result<Control, Reason> {
    Ok(match packet {
        v5::Packet::Subscribe(packet) => {
            let options = |o: &v5::SubscriptionOptions| Options {
                qos: o.qos.value(),
                no_local: o.no_local,
                retain_as_published: o.retain_as_published,
                retain_handling: u8::from(o.retain_handling),
            };
            let filters = packet.topic_filters.iter().map(|(filter, o)| (filter.to_string(), options(o)));
            Control::Subscribe(Subscribe {
                packet_id: packet.packet_id.get(),
                subscription_id: packet.id.map(u32::from),
                filters: filters.collect(),
            })
        }
        v5::Packet::Unsubscribe(packet) => Control::Unsubscribe(
            packet.packet_id.get(),
            packet.topic_filters.iter().map(|f| f.to_string()).collect(),
        ),
        v5::Packet::Disconnect(packet) => {
            Control::Disconnect(Reason(packet.reason_code.into()), packet.session_expiry_interval_secs)
        }
        _ => return Err(Reason::MALFORMED),
    })
}

fn reason(error: DecodeError) -> Reason {
    match error {
        DecodeError::InvalidProtocol | DecodeError::UnsupportedProtocolLevel => Reason::VERSION,
        DecodeError::InvalidClientId => Reason::CLIENT_ID,
        DecodeError::MaxSizeExceeded { .. } => Reason::TOO_LARGE,
        DecodeError::InvalidTopicFilter => Reason::PROTOCOL,
        _ => Reason::MALFORMED,
    }
}

/// What CONNACK says beside the reason; version 5 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Welcome {
    /// A session was kept.
    pub session_present: bool,
    /// When the client gave no id.
    pub assigned_client_id: Option<String>,
    /// When it differs from what the client asked for.
    pub keep_alive_s: Option<u16>,
    /// When it differs from what the client asked for.
    pub session_expiry_s: Option<u32>,
    /// QoS 1 and 2 messages that we take at once.
    pub receive_max: u16,
    /// The longest packet we take.
    pub packet_bytes_max: u32,
    /// Topic aliases that we keep.
    pub alias_max: u16,
}

/// Appends a CONNACK that lets the client in.
pub fn put_welcome(version: Version, welcome: &Welcome, out: &mut Vec<u8>) {
    if version == Version::V3 {
        return out.extend_from_slice(&[first::CONNACK, 2, u8::from(welcome.session_present), 0]);
    }
    let mut packet = v5::ConnectAck {
        session_present: welcome.session_present,
        session_expiry_interval_secs: welcome.session_expiry_s,
        max_packet_size: Some(welcome.packet_bytes_max),
        assigned_client_id: welcome.assigned_client_id.as_deref().map(Into::into),
        topic_alias_max: welcome.alias_max,
        server_keepalive_sec: welcome.keep_alive_s,
        ..v5::ConnectAck::default()
    };
    if let Some(receive_max) = std::num::NonZeroU16::new(welcome.receive_max) {
        packet.receive_max = receive_max;
    }
    let mut bytes = BytesMut::new();
    // It cannot be too long: its only text is an id that we made.
    if v5::Codec::new(0, 0).encode(v5::Packet::ConnectAck(Box::new(packet)), &mut bytes).is_ok() {
        out.extend_from_slice(&bytes);
    }
}

/// Appends a CONNACK that refuses.
pub fn put_refusal(version: Version, reason: Reason, out: &mut Vec<u8>) {
    match version {
        Version::V5 => out.extend_from_slice(&[first::CONNACK, 3, 0, reason.0, 0]),
        Version::V3 => {
            // 3.1.1, table 3.1.
            let code = match reason {
                Reason::VERSION => 1,
                Reason::CLIENT_ID => 2,
                Reason::CREDENTIALS => 4,
                Reason::NOT_AUTHORIZED | Reason::AUTH_METHOD => 5,
                _ => 3,
            };
            out.extend_from_slice(&[first::CONNACK, 2, 0, code]);
        }
    }
}
