//! PUBLISH, read and written.

use bytes::Bytes;

use super::{Frame, Reader, Reason, Version, first, put_binary, put_varint, varint_len};

/// A PUBLISH as it lies in the input. The topic is not checked yet: who keeps a table of topics checks each only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishView<'a> {
    /// It may have been sent before.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// To be kept, or kept.
    pub retain: bool,
    /// Unchecked; empty with a topic alias.
    pub topic: &'a [u8],
    /// Not 0 when `qos` is not 0.
    pub packet_id: u16,
    /// Unparsed; empty in version 3.
    pub properties: &'a [u8],
    /// The message.
    pub payload: &'a [u8],
}

/// Reads a PUBLISH.
///
/// # Errors
/// [`Reason::MALFORMED`] for a wrong length, QoS 3, DUP with QoS 0, packet id 0.
#[inline]
pub fn publish(version: Version, frame: Frame<'_>) -> Result<PublishView<'_>, Reason> {
    let (dup, qos, retain) = (frame.first & 8 != 0, frame.first >> 1 & 3, frame.first & 1 != 0);
    if qos == 3 || (dup && qos == 0) {
        return Err(Reason::MALFORMED);
    }
    let mut reader = Reader(frame.body);
    let topic = reader.binary()?;
    let packet_id = if qos == 0 { 0 } else { reader.u16()? };
    if qos > 0 && packet_id == 0 {
        return Err(Reason::MALFORMED);
    }
    let properties = match version {
        Version::V3 => &[][..],
        Version::V5 => {
            let n = reader.varint()?;
            reader.take(n as usize)?
        }
    };
    Ok(PublishView { dup, qos, retain, topic, packet_id, properties, payload: reader.0 })
}

/// What a message says of itself beside topic and payload (MQTT 5); passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// The payload is UTF-8 text.
    pub utf8: bool,
    /// Of no use after this many seconds.
    pub expiry_s: Option<u32>,
    /// Such as `application/json`.
    pub content_type: Option<String>,
    /// Where an answer is awaited.
    pub response_topic: Option<String>,
    /// Names the request in its answer.
    pub correlation: Option<Bytes>,
    /// In the order they came.
    pub user: Vec<(String, String)>,
}

mod property {
    pub(super) const UTF8: u8 = 0x01;
    pub(super) const EXPIRY: u8 = 0x02;
    pub(super) const CONTENT_TYPE: u8 = 0x03;
    pub(super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(super) const CORRELATION: u8 = 0x09;
    pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
    pub(super) const ALIAS: u8 = 0x23;
    pub(super) const USER: u8 = 0x26;
}

impl Properties {
    /// Reads the properties of a PUBLISH from a client, and its topic alias.
    ///
    /// # Errors
    /// [`Reason::MALFORMED`]; [`Reason::PROTOCOL`] for one that stands twice, or a subscription identifier;
    /// [`Reason::ALIAS`] for alias 0.
    pub fn parse(raw: &[u8]) -> Result<(Properties, Option<u16>), Reason> {
        fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Reason> {
            if slot.replace(value).is_some() { Err(Reason::PROTOCOL) } else { Ok(()) }
        }
        let (mut to, mut alias, mut utf8) = (Properties::default(), None, None);
        let mut reader = Reader(raw);
        while !reader.0.is_empty() {
            match reader.u8()? {
                property::UTF8 => match reader.u8()? {
                    flag @ 0..=1 => once(&mut utf8, flag == 1)?,
                    _ => return Err(Reason::PROTOCOL),
                },
                property::EXPIRY => once(&mut to.expiry_s, reader.u32()?)?,
                property::CONTENT_TYPE => once(&mut to.content_type, reader.text()?.into())?,
                property::RESPONSE_TOPIC => once(&mut to.response_topic, reader.text()?.into())?,
                property::CORRELATION => {
                    once(&mut to.correlation, Bytes::copy_from_slice(reader.binary()?))?;
                }
                property::ALIAS => match reader.u16()? {
                    0 => return Err(Reason::ALIAS),
                    number => once(&mut alias, number)?,
                },
                property::USER => to.user.push((reader.text()?.into(), reader.text()?.into())),
                property::SUBSCRIPTION_ID => return Err(Reason::PROTOCOL),
                _ => return Err(Reason::MALFORMED),
            }
        }
        to.utf8 = utf8.unwrap_or(false);
        Ok((to, alias))
    }

    /// Bytes it holds, for bounds.
    pub fn weight(&self) -> usize {
        let text = |t: &Option<String>| t.as_ref().map_or(0, |t| 3 + t.len());
        usize::from(self.utf8) * 2
            + text(&self.content_type)
            + text(&self.response_topic)
            + self.correlation.as_ref().map_or(0, |c| 3 + c.len())
            + self.user.iter().map(|(k, v)| 5 + k.len() + v.len()).sum::<usize>()
    }
}

/// A PUBLISH to be written.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// It may have been sent before.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// As the receiver sees it.
    pub retain: bool,
    /// Empty when the alias is known to the receiver.
    pub topic: &'a str,
    /// Version 5 only.
    pub alias: Option<u16>,
    /// Left out with QoS 0.
    pub packet_id: u16,
    /// Left out in version 3.
    pub properties: Option<&'a Properties>,
    /// Seconds that are left of the message's life.
    pub expiry_s: Option<u32>,
    /// Of the subscriptions that matched; version 5 only.
    pub subscription_ids: &'a [u32],
    /// The message.
    pub payload: &'a [u8],
}

impl Outgoing<'_> {
    fn properties_len(&self) -> usize {
        self.properties.map_or(0, Properties::weight)
            + self.alias.map_or(0, |_| 3)
            + self.expiry_s.map_or(0, |_| 5)
            + self.subscription_ids.iter().map(|id| 1 + varint_len(*id)).sum::<usize>()
    }

    fn body_len(&self, version: Version, properties_len: usize) -> usize {
        let properties = match version {
            Version::V3 => 0,
            Version::V5 => varint_len(properties_len as u32) + properties_len,
        };
        2 + self.topic.len() + if self.qos > 0 { 2 } else { 0 } + properties + self.payload.len()
    }

    /// Bytes of the whole packet.
    pub fn len(&self, version: Version) -> usize {
        let body = self.body_len(version, self.properties_len());
        1 + varint_len(body as u32) + body
    }

    /// Appends the packet.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) {
        let properties_len = self.properties_len();
        let body = self.body_len(version, properties_len);
        out.reserve(5 + body);
        let flags = u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        out.push(first::PUBLISH | flags);
        put_varint(out, body as u32);
        put_binary(out, self.topic.as_bytes());
        if self.qos > 0 {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if version == Version::V5 {
            put_varint(out, properties_len as u32);
            self.put_properties(out);
        }
        out.extend_from_slice(self.payload);
    }

    fn put_properties(&self, out: &mut Vec<u8>) {
        if let Some(expiry_s) = self.expiry_s {
            out.push(property::EXPIRY);
            out.extend_from_slice(&expiry_s.to_be_bytes());
        }
        if let Some(alias) = self.alias {
            out.push(property::ALIAS);
            out.extend_from_slice(&alias.to_be_bytes());
        }
        for id in self.subscription_ids {
            out.push(property::SUBSCRIPTION_ID);
            put_varint(out, *id);
        }
        let Some(properties) = self.properties else { return };
        if properties.utf8 {
            out.extend_from_slice(&[property::UTF8, 1]);
        }
        let parts = [
            (property::CONTENT_TYPE, properties.content_type.as_ref().map(String::as_bytes)),
            (property::RESPONSE_TOPIC, properties.response_topic.as_ref().map(String::as_bytes)),
            (property::CORRELATION, properties.correlation.as_deref()),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                out.push(name);
                put_binary(out, part);
            }
        }
        for (key, value) in &properties.user {
            out.push(property::USER);
            put_binary(out, key.as_bytes());
            put_binary(out, value.as_bytes());
        }
    }
}
