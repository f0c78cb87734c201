//! The few MQTT 3.1.1 packets that a bench sends and counts (OASIS MQTT 3.1.1, sections 2 and 3).

/// Seconds of silence a broker has to bear: longer than any run, and above 0 because one peer refuses 0.
const KEEP_ALIVE_S: u16 = 600;

pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const SUBACK: u8 = 9;

/// Delivery that a message is sent with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let mut length: usize = body.iter().map(|part| part.len()).sum();
    let mut bytes = vec![first];
    loop {
        let digit = (length % 128) as u8;
        length /= 128;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    body.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = (value.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// With a clean session.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    packet(0x10, &[&text("MQTT"), &[4, 0b10], &KEEP_ALIVE_S.to_be_bytes(), &text(client_id)])
}

pub(crate) fn subscribe(packet_id: u16, filter: &str, qos: Qos) -> Vec<u8> {
    packet(0x82, &[&packet_id.to_be_bytes(), &text(filter), &[qos as u8]])
}

/// `packet_id` is left out at most once.
pub(crate) fn publish(topic: &str, qos: Qos, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    match qos {
        Qos::AtMostOnce => packet(0x30, &[&text(topic), payload]),
        Qos::AtLeastOnce => packet(0x32, &[&text(topic), &packet_id.to_be_bytes(), payload]),
    }
}

pub(crate) fn puback(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 2, high, low]
}

/// One packet in a buffer.
#[derive(Debug, PartialEq)]
pub(crate) struct Packet<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
    /// Bytes it takes with its header.
    pub(crate) length: usize,
}

impl<'a> Packet<'a> {
    /// The packet at the start of a buffer; `None` when it is not all there yet.
    pub(crate) fn parse(buffer: &'a [u8]) -> Option<Packet<'a>> {
        let first = *buffer.first()?;
        let (mut length, mut header) = (0, 1);
        loop {
            let digit = *buffer.get(header)?;
            length |= usize::from(digit & 0x7f) << (7 * (header - 1));
            header += 1;
            // A fifth digit is none of MQTT's; the packet then has a length that never arrives.
            if digit & 0x80 == 0 || header > 4 {
                break;
            }
        }
        Some(Packet { first, body: buffer.get(header..header + length)?, length: header + length })
    }
    pub(crate) fn kind(&self) -> u8 {
        self.first >> 4
    }
    /// Of an acknowledgement.
    pub(crate) fn packet_id(&self) -> Option<u16> {
        self.body.first_chunk().copied().map(u16::from_be_bytes)
    }
    /// The packet id of a PUBLISH that wants to be acknowledged.
    pub(crate) fn to_acknowledge(&self) -> Option<u16> {
        let wants = self.kind() == PUBLISH && self.first & 0b110 != 0;
        self.after_topic().filter(|_| wants)?.first_chunk().copied().map(u16::from_be_bytes)
    }
    /// What a PUBLISH carries.
    pub(crate) fn payload(&self) -> Option<&'a [u8]> {
        self.after_topic()?.get(if self.first & 0b110 == 0 { 0 } else { 2 }..)
    }
    fn after_topic(&self) -> Option<&'a [u8]> {
        self.body.get(2 + usize::from(self.packet_id()?)..)
    }
}

/// Both ends of a payload as one number: sums of it tell whether the messages received are those that were sent.
pub(crate) fn digest(payload: &[u8]) -> u64 {
    let number = |end: Option<&[u8; 8]>| end.copied().map_or(0, u64::from_le_bytes);
    number(payload.first_chunk()).wrapping_add(number(payload.last_chunk()).rotate_left(1))
}

#[cfg(test)]
mod tests {
    use super::{Packet, Qos, connect, digest, puback, publish, subscribe};

    #[test]
    fn packets_are_as_the_standard_draws_them() {
        assert_eq!(connect("a"), [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 2, 0x58, 0, 1, b'a']);
        assert_eq!(subscribe(1, "b/#", Qos::AtLeastOnce), [0x82, 8, 0, 1, 0, 3, b'b', b'/', b'#', 1]);
        assert_eq!(publish("t", Qos::AtMostOnce, 7, b"xy"), [0x30, 5, 0, 1, b't', b'x', b'y']);
        assert_eq!(publish("t", Qos::AtLeastOnce, 258, b"x"), [0x32, 6, 0, 1, b't', 1, 2, b'x']);
        assert_eq!(puback(258), [0x40, 2, 1, 2]);
    }

    #[test]
    fn lengths_beyond_127_take_more_bytes() {
        let bytes = publish("t", Qos::AtMostOnce, 0, &[9; 200]);
        assert_eq!(bytes[..3], [0x30, 0xcb, 0x01]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.length, packet.payload().unwrap().len()), (bytes.len(), 200));
        assert_eq!(Packet::parse(&bytes[..bytes.len() - 1]), None, "not all there yet");
        assert_eq!(Packet::parse(&bytes[..2]), None);
        assert_eq!(Packet::parse(&[]), None);
        assert_eq!(Packet::parse(&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn a_payload_is_the_same_at_any_qos() {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let bytes = publish("topic", qos, 258, b"payload of a message");
            assert_eq!(Packet::parse(&bytes).unwrap().payload(), Some(&b"payload of a message"[..]));
        }
        assert_ne!(digest(b"payload of a message"), digest(b"payload of a massage"));
        assert_ne!(digest(b"payload of a message"), digest(b"payload of a messag"));
        assert_eq!(digest(b"short"), 0);
    }

    #[test]
    fn only_a_message_at_least_once_is_acknowledged() {
        let once = publish("topic", Qos::AtLeastOnce, 258, b"x");
        assert_eq!(Packet::parse(&once).unwrap().to_acknowledge(), Some(258));
        let most = publish("topic", Qos::AtMostOnce, 258, b"x");
        assert_eq!(Packet::parse(&most).unwrap().to_acknowledge(), None);
        assert_eq!(Packet::parse(&puback(3)).unwrap().packet_id(), Some(3));
        assert_eq!(Packet { first: 0x32, body: &[0, 200, 1], length: 5 }.to_acknowledge(), None);
    }
}
