//! Lines on the wire: what is asked and what is answered. Pure; no input makes it panic.

/// The longest line, with its line feed. A longer one is a broken reply, not a reason to need more memory.
pub(crate) const LINE_BYTES_MAX: usize = 1_024;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// What are you?
    Identify,
    /// What is this value?
    Get(&'a str),
    /// Take this value.
    Set(&'a str, &'a str),
}

impl<'a> Request<'a> {
    /// As a line. A line feed in a value would be a second request: it is left out.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let line = match self {
            Request::Identify => "ID".to_string(),
            Request::Get(name) => format!("GET {name}"),
            Request::Set(name, value) => format!("SET {name} {value}"),
        };
        let mut bytes: Vec<u8> = line.into_bytes().into_iter().filter(|b| *b != b'\n' && *b != b'\r').collect();
        bytes.push(b'\n');
        bytes
    }
    /// From a line without its end; `None` for what is no request.
    pub(crate) fn decode(line: &'a str) -> Option<Request<'a>> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ID" if rest.is_empty() => Some(Request::Identify),
            "GET" if !rest.is_empty() => Some(Request::Get(rest)),
            "SET" => rest.split_once(' ').map(|(name, value)| Request::Set(name, value)),
            _ => None,
        }
    }
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A value as text.
    Ok(String),
    /// Why not.
    Refused(String),
}

/// Bytes that are no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The line has no end.
    #[error("the reply is longer than {LINE_BYTES_MAX} bytes or was cut off")]
    Length,
    /// Neither `OK` nor `ERR`.
    #[error("`{0}` is no reply of this protocol")]
    Unknown(String),
}

impl Reply {
    /// From all bytes up to and with the line feed.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Reply, FrameError> {
        let line = bytes.strip_suffix(b"\n").filter(|_| bytes.len() <= LINE_BYTES_MAX).ok_or(FrameError::Length)?;
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "OK" => Ok(Reply::Ok(rest.to_string())),
            "ERR" => Ok(Reply::Refused(rest.to_string())),
            _ => Err(FrameError::Unknown(text.chars().take(60).collect())),
        }
    }
    /// As a line.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Reply::Ok(value) => format!("OK {value}\n").into_bytes(),
            Reply::Refused(reason) => format!("ERR {reason}\n").into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_come_back() {
        for request in [Request::Identify, Request::Get("a"), Request::Set("a", "1 2")] {
            let bytes = request.encode();
            let line = std::str::from_utf8(&bytes).unwrap().trim_end();
            assert_eq!(Request::decode(line), Some(request));
        }
        for wrong in ["", "GET", "SET a", "ID x", "PUT a"] {
            assert_eq!(Request::decode(wrong), None);
        }
    }

    #[test]
    fn a_value_cannot_smuggle_a_second_request() {
        let bytes = Request::Set("a", "1\nSET b 2").encode();
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1);
    }

    #[test]
    fn broken_replies_are_refused() {
        assert_eq!(Reply::decode(b"OK 1"), Err(FrameError::Length));
        assert!(matches!(Reply::decode(b"NO 1\n"), Err(FrameError::Unknown(_))));
        assert_eq!(Reply::decode(b"OK 1\r\n"), Ok(Reply::Ok("1".into())));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _either = Reply::decode(&bytes);
        }
    }
}
