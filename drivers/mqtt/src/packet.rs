//! The packets that a client sends and gets, the same for both versions of the protocol; the codec crate puts them on
//! the wire. Pure.

use bytes::{Bytes, BytesMut};
use rmqtt_codec::{MqttCodec, MqttPacket, types::Publish, types::QoS, v3, v5};
use std::num::{NonZeroU16, NonZeroU32};
use tokio_util::codec::{Decoder, Encoder};

use crate::config::Version;
use crate::fault::Refusal;

/// The largest packet that is taken: a payload of full size, topic and properties.
pub(crate) const PACKET_BYTES_MAX: u32 = (crate::message::PAYLOAD_BYTES_MAX + 64 * 1024) as u32;
/// Messages with QoS 1 and 2 that a version 5 broker may have on their way to us.
const RECEIVE_MAX: u16 = 256;
/// How long a broker keeps messages for us while we are away, in s, when the session is to be kept (version 5).
const SESSION_EXPIRY_S: u32 = 3_600;

/// What a client says first.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) keep_alive_s: u16,
    pub(crate) clean_start: bool,
}

/// From us.
pub(crate) enum Out {
    Connect(Hello),
    Subscribe { id: NonZeroU16, filters: Vec<String>, qos: QoS },
    Publish { id: Option<NonZeroU16>, topic: String, payload: Bytes, qos: QoS },
    Ack(NonZeroU16),
    Received(NonZeroU16),
    Release(NonZeroU16),
    Complete(NonZeroU16),
    Ping,
    Disconnect,
}

/// To us.
#[derive(Debug)]
pub(crate) enum In {
    Accepted {
        keep_alive_s: Option<u16>,
        qos_max: QoS,
    },
    Refused(Refusal),
    /// One entry a filter: why not, or granted.
    Subscribed(Vec<Result<(), String>>),
    Publish {
        id: Option<NonZeroU16>,
        qos: QoS,
        retained: bool,
        topic: String,
        payload: Bytes,
    },
    Ack {
        id: NonZeroU16,
        outcome: Result<(), String>,
    },
    Received {
        id: NonZeroU16,
        outcome: Result<(), String>,
    },
    Release(NonZeroU16),
    Complete(NonZeroU16),
    Pong,
    Disconnect(String),
}

/// Reads and writes packets of one connection.
pub(crate) struct Codec(MqttCodec);

impl Codec {
    pub(crate) fn new(version: Version) -> Codec {
        Codec(match version {
            Version::V311 => MqttCodec::V3(v3::Codec::new(PACKET_BYTES_MAX)),
            Version::V5 => MqttCodec::V5(v5::Codec::new(PACKET_BYTES_MAX, 0)),
        })
    }

    /// Appends a packet to `to`.
    pub(crate) fn write(&mut self, packet: Out, to: &mut BytesMut) -> Result<(), String> {
        let packet = match &self.0 {
            MqttCodec::V5(_) => MqttPacket::V5(version_5(packet)),
            _ => MqttPacket::V3(version_3(packet)),
        };
        self.0.encode(packet, to).map_err(|error| error.to_string())
    }

    /// Takes the first whole packet off `from`.
    pub(crate) fn read(&mut self, from: &mut BytesMut) -> Result<Option<In>, String> {
        let Some((packet, _)) = self.0.decode(from).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let understood = match packet {
            MqttPacket::V3(packet) => from_3(packet),
            MqttPacket::V5(packet) => self.take_5(packet),
            MqttPacket::Version(_) => None,
        };
        understood.map(Some).ok_or_else(|| "a packet that no broker sends".to_string())
    }

    fn take_5(&mut self, packet: v5::Packet) -> Option<In> {
        if let (v5::Packet::ConnectAck(ack), MqttCodec::V5(codec)) = (&packet, &mut self.0) {
            codec.set_max_outbound_size(ack.max_packet_size.unwrap_or(0));
        }
        from_5(packet)
    }
}

fn publish(id: Option<NonZeroU16>, topic: String, payload: Bytes, qos: QoS) -> Box<Publish> {
    let (dup, retain) = (false, false);
    Box::new(Publish { dup, retain, qos, topic: topic.into(), packet_id: id, payload, properties: None })
}

fn version_3(packet: Out) -> v3::Packet {
    match packet {
        Out::Connect(hello) => v3::Packet::Connect(Box::new(v3::Connect {
            clean_session: hello.clean_start,
            keep_alive: hello.keep_alive_s,
            client_id: hello.client_id.into(),
            username: hello.username.map(Into::into),
            password: hello.password.map(Into::into),
            ..v3::Connect::default()
        })),
        Out::Subscribe { id, filters, qos } => v3::Packet::Subscribe {
            packet_id: id,
            topic_filters: filters.into_iter().map(|filter| (filter.into(), qos)).collect(),
        },
        Out::Publish { id, topic, payload, qos } => v3::Packet::Publish(publish(id, topic, payload, qos)),
        Out::Ack(packet_id) => v3::Packet::PublishAck { packet_id },
        Out::Received(packet_id) => v3::Packet::PublishReceived { packet_id },
        Out::Release(packet_id) => v3::Packet::PublishRelease { packet_id },
        Out::Complete(packet_id) => v3::Packet::PublishComplete { packet_id },
        Out::Ping => v3::Packet::PingRequest,
        Out::Disconnect => v3::Packet::Disconnect,
    }
}

fn version_5(packet: Out) -> v5::Packet {
    let ack = |packet_id| v5::PublishAck {
        packet_id,
        reason_code: v5::PublishAckReason::Success,
        properties: Vec::new(),
        reason_string: None,
    };
    let ack_2 = |packet_id| v5::PublishAck2 {
        packet_id,
        reason_code: v5::PublishAck2Reason::Success,
        properties: Vec::new(),
        reason_string: None,
    };
    match packet {
        Out::Connect(hello) => v5::Packet::Connect(Box::new(connect_5(hello))),
        Out::Subscribe { id, filters, qos } => {
            // What we publish ourselves is no news to us.
            let options =
                v5::SubscriptionOptions { qos, no_local: true, ..v5::SubscriptionOptions::default() };
            v5::Packet::Subscribe(v5::Subscribe {
                packet_id: id,
                id: None,
                user_properties: Vec::new(),
                topic_filters: filters.into_iter().map(|filter| (filter.into(), options)).collect(),
            })
        }
        Out::Publish { id, topic, payload, qos } => v5::Packet::Publish(publish(id, topic, payload, qos)),
        Out::Ack(id) => v5::Packet::PublishAck(ack(id)),
        Out::Received(id) => v5::Packet::PublishReceived(ack(id)),
        Out::Release(id) => v5::Packet::PublishRelease(ack_2(id)),
        Out::Complete(id) => v5::Packet::PublishComplete(ack_2(id)),
        Out::Ping => v5::Packet::PingRequest,
        Out::Disconnect => {
            v5::Packet::Disconnect(v5::Disconnect::new(v5::DisconnectReasonCode::NormalDisconnection))
        }
    }
}

fn connect_5(hello: Hello) -> v5::Connect {
    v5::Connect {
        clean_start: hello.clean_start,
        keep_alive: hello.keep_alive_s,
        session_expiry_interval_secs: if hello.clean_start { 0 } else { SESSION_EXPIRY_S },
        auth_method: None,
        auth_data: None,
        request_problem_info: true,
        request_response_info: false,
        receive_max: NonZeroU16::new(RECEIVE_MAX),
        topic_alias_max: 0,
        user_properties: Vec::new(),
        max_packet_size: NonZeroU32::new(PACKET_BYTES_MAX),
        last_will: None,
        client_id: hello.client_id.into(),
        username: hello.username.map(Into::into),
        password: hello.password.map(Into::into),
        cert: None,
    }
}

fn from_3(packet: v3::Packet) -> Option<In> {
    use v3::ConnectAckReason as Reason;
    Some(match packet {
        v3::Packet::ConnectAck(ack) => match ack.return_code {
            Reason::ConnectionAccepted => In::Accepted { keep_alive_s: None, qos_max: QoS::ExactlyOnce },
            code => In::Refused(Refusal {
                for_good: code != Reason::ServiceUnavailable,
                credentials: matches!(code, Reason::BadUserNameOrPassword | Reason::NotAuthorized),
                reason: code.reason().to_string(),
            }),
        },
        v3::Packet::SubscribeAck { status, .. } => {
            let granted = |code| match code {
                v3::SubscribeReturnCode::Success(_) => Ok(()),
                v3::SubscribeReturnCode::Failure => Err("not allowed".to_string()),
            };
            In::Subscribed(status.into_iter().map(granted).collect())
        }
        v3::Packet::Publish(publish) => published(*publish),
        v3::Packet::PublishAck { packet_id } => In::Ack { id: packet_id, outcome: Ok(()) },
        v3::Packet::PublishReceived { packet_id } => In::Received { id: packet_id, outcome: Ok(()) },
        v3::Packet::PublishRelease { packet_id } => In::Release(packet_id),
        v3::Packet::PublishComplete { packet_id } => In::Complete(packet_id),
        v3::Packet::PingResponse => In::Pong,
        _ => return None,
    })
}

fn from_5(packet: v5::Packet) -> Option<In> {
    let outcome = |ack: &v5::PublishAck| match ack.reason_code {
        v5::PublishAckReason::Success | v5::PublishAckReason::NoMatchingSubscribers => Ok(()),
        code => Err(said(&format!("{code:?}"), ack.reason_string.as_deref())),
    };
    Some(match packet {
        v5::Packet::ConnectAck(ack) => accepted_5(&ack),
        v5::Packet::SubscribeAck(ack) => {
            let text = ack.reason_string.as_deref();
            let granted = |code: v5::SubscribeAckReason| match u8::from(code) {
                0..=2 => Ok(()),
                _ => Err(said(&format!("{code:?}"), text)),
            };
            In::Subscribed(ack.status.iter().copied().map(granted).collect())
        }
        v5::Packet::Publish(publish) => published(*publish),
        v5::Packet::PublishAck(ack) => In::Ack { id: ack.packet_id, outcome: outcome(&ack) },
        v5::Packet::PublishReceived(ack) => In::Received { id: ack.packet_id, outcome: outcome(&ack) },
        v5::Packet::PublishRelease(ack) => In::Release(ack.packet_id),
        v5::Packet::PublishComplete(ack) => In::Complete(ack.packet_id),
        v5::Packet::PingResponse => In::Pong,
        v5::Packet::Disconnect(packet) => {
            In::Disconnect(said(&format!("{:?}", packet.reason_code), packet.reason_string.as_deref()))
        }
        _ => return None,
    })
}

fn accepted_5(ack: &v5::ConnectAck) -> In {
    use v5::ConnectAckReason as Reason;
    let credentials = matches!(
        ack.reason_code,
        Reason::BadUserNameOrPassword | Reason::NotAuthorized | Reason::BadAuthenticationMethod
    );
    match ack.reason_code {
        Reason::Success => In::Accepted { keep_alive_s: ack.server_keepalive_sec, qos_max: ack.max_qos },
        code => In::Refused(Refusal {
            for_good: !matches!(
                code,
                Reason::UnspecifiedError
                    | Reason::ServerUnavailable
                    | Reason::ServerBusy
                    | Reason::QuotaExceeded
                    | Reason::ConnectionRateExceeded
            ),
            credentials,
            reason: said(code.reason(), ack.reason_string.as_deref()),
        }),
    }
}

fn published(publish: Publish) -> In {
    In::Publish {
        id: publish.packet_id,
        qos: publish.qos,
        retained: publish.retain,
        topic: publish.topic.to_string(),
        payload: publish.payload,
    }
}

/// A reason with the words the broker adds to it.
fn said(reason: &str, words: Option<&str>) -> String {
    match words {
        Some(words) => format!("{reason}: {}", words.chars().take(200).collect::<String>()),
        None => reason.to_string(),
    }
}
