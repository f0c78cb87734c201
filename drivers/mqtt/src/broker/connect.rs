//! From the first byte to CONNACK: who is it, and may it come in.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::{
    accounts::{Judged, Rights},
    buffers,
    connection::{Connection, Parts},
    desk::Desk,
    limits,
    link::Terms,
    realm::{self, Realm},
    shared::{By, Shared, Testament},
    strangers, topic,
};
use crate::wire::{
    self, Reason, Version,
    control::{self, Connect, Welcome},
};

/// Serves one connection until it ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    stream: Box<dyn sdk::Stream>,
    from: SocketAddr,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
) {
    shared.look_at(&desk.clock);
    let clock = desk.clock.clone();
    // Boxed, and gone before the long part begins: an idle connection does not carry it.
    let greeting = Box::pin(greet(shared, desk, stream, from));
    let Ok(Some(connection)) = clock.timeout(limits::CONNECT_TIMEOUT, greeting).await else { return };
    drop(permit);
    let mut connection = Box::new(connection);
    poll_fn(|cx| connection.poll(cx)).await;
    if let Some(stream) = connection.into_lingering() {
        // Boxed, as it is rare.
        Box::pin(linger(clock, stream)).await;
    }
}

/// Reads on for a moment after a client was cut: closing at once would make the network throw away the reason before the
/// client has read it, if it still sends.
async fn linger(clock: sdk::Clock, mut stream: Box<dyn sdk::Stream>) {
    let reading = async {
        let mut bytes = 0;
        while bytes < limits::LINGER_BYTES_MAX {
            match read_some(&mut stream, |read| read.len()).await {
                0 => return,
                n => bytes += n,
            }
        }
    };
    // Whether it read it or not: it is over.
    let _over = clock.timeout(limits::LINGER, reading).await;
}

/// Reads once into the thread's buffer; 0 at the end, or when the stream breaks.
async fn read_some(stream: &mut Box<dyn sdk::Stream>, mut take: impl FnMut(&[u8]) -> usize) -> usize {
    poll_fn(|cx| {
        buffers::reading(|buffer| {
            let mut into = ReadBuf::new(buffer);
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(take(into.filled())),
                Poll::Ready(Err(_)) => Poll::Ready(0),
            }
        })
    })
    .await
}

/// Reads CONNECT and lets the client in, or refuses it and ends.
async fn greet(
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    mut stream: Box<dyn sdk::Stream>,
    from: SocketAddr,
) -> Option<Connection> {
    let mut input = Vec::new();
    let refused = match read_connect(&mut stream, &mut input).await {
        Ok((connect, used)) => {
            input.drain(..used);
            let version = connect.version;
            match let_in(&shared, &desk, connect, from).await {
                Ok(mut parts) => {
                    parts.input = input;
                    return Some(Connection::new(parts.with(shared, desk, stream)));
                }
                Err(reason) => Some((version, reason)),
            }
        }
        Err(refused) => refused,
    };
    shared.counts.refused.fetch_add(1, Relaxed);
    let (version, reason) = refused?;
    let mut answer = Vec::new();
    control::put_refusal(version, reason, &mut answer);
    // Whoever is refused may be gone already.
    let _told = stream.write_all(&answer).await;
    let _closed = stream.shutdown().await;
    None
}

/// Reads until CONNECT is whole. The error is what to answer, if anything: a stranger to the protocol gets no answer.
async fn read_connect(
    stream: &mut Box<dyn sdk::Stream>,
    input: &mut Vec<u8>,
) -> Result<(Connect, usize), Option<(Version, Reason)>> {
    loop {
        match wire::frame(input, limits::CONNECT_BYTES_MAX) {
            Ok(Some(frame)) => {
                let version = match control::version(frame) {
                    Ok(version) => version,
                    Err(Reason::VERSION) => return Err(Some((Version::V3, Reason::VERSION))),
                    Err(_) => return Err(None),
                };
                let connect = control::connect(version, frame, &input[..frame.len])
                    .map_err(|reason| Some((version, reason)))?;
                return Ok((connect, frame.len));
            }
            Ok(None) if input.first().is_none_or(|first| *first == wire::first::CONNECT) => {}
            _ => return Err(None),
        }
        let n = read_some(stream, |read| {
            input.extend_from_slice(read);
            read.len()
        })
        .await;
        if n == 0 {
            return Err(None);
        }
    }
}

/// What of a connection is known before the stream is handed over.
struct Admission {
    attached: super::shared::Attached,
    version: Version,
    by: By,
    expiry_s: u32,
    input: Vec<u8>,
    replies: Vec<u8>,
}

impl Admission {
    fn with(self, shared: Arc<Shared>, desk: Arc<Desk>, stream: Box<dyn sdk::Stream>) -> Parts {
        Parts {
            shared,
            desk,
            stream,
            client: self.attached.client,
            generation: self.attached.generation,
            version: self.version,
            by: self.by,
            expiry_s: self.expiry_s,
            input: self.input,
            replies: self.replies,
        }
    }
}

async fn let_in(
    shared: &Arc<Shared>,
    desk: &Desk,
    mut connect: Connect,
    from: SocketAddr,
) -> Result<Admission, Reason> {
    check(&connect)?;
    let assigned = connect.client_id.is_empty().then(|| format!("auto-{}", desk.ids.born()));
    if let Some(id) = &assigned {
        connect.client_id.clone_from(id);
    }
    let by = judge(shared, desk, &connect, from).await?;
    if by.stranger.is_some() {
        connect.will = None;
        connect.session_expiry_s = 0;
    }
    let expiry_max_s = u32::try_from(limits::SESSION_EXPIRY_MAX.as_secs()).unwrap_or(u32::MAX);
    let expiry_s = connect.session_expiry_s.min(expiry_max_s);
    let keep_alive_s = match (connect.keep_alive_s, desk.policy.keep_alive_max_s) {
        (asked, 0) => asked,
        (0, most) if connect.version == Version::V5 => most,
        // Version 3 has no way to tell the client: what it asked for is kept.
        (asked, _) if connect.version == Version::V3 => asked,
        (asked, most) => asked.min(most),
    };
    let will = connect.will.take().map(|will| Box::new(Testament { will, by: by.clone() }));
    let terms = Terms {
        version: connect.version,
        receive_max: connect.receive_max,
        packet_bytes_max: connect.packet_bytes_max,
        alias_max: connect.alias_max,
        // One and a half times (3.1.2.10).
        keep_alive: (keep_alive_s > 0).then(|| Duration::from_millis(u64::from(keep_alive_s) * 1_500)),
        will,
        account: by.account.clone(),
    };
    let attached = shared.attach(&realm::key(realm(&by), &connect.client_id), &connect, expiry_s, terms)?;
    if let Some(account) = &by.account {
        shared.greet(&attached.client, account, from, &connect.client_id);
        desk.arrivals.settled(&connect.client_id);
    } else if by.stranger.is_some() {
        shared.remember_stranger(&attached.client, &connect);
    }
    if by.account.is_none() && is_named(shared, &connect) {
        // Its account was admitted meanwhile, by somebody who could not see it yet.
        attached.client.cut(Reason::ADMINISTRATIVE);
    }
    if attached.session_present {
        shared.prune(&attached.client, &desk.policy, &by);
    }
    let welcome = Welcome {
        session_present: attached.session_present,
        assigned_client_id: assigned,
        keep_alive_s: (keep_alive_s != connect.keep_alive_s).then_some(keep_alive_s),
        session_expiry_s: (expiry_s != connect.session_expiry_s).then_some(expiry_s),
        receive_max: desk.policy.receive_max,
        packet_bytes_max: desk.policy.packet_bytes_max,
        alias_max: limits::ALIASES_IN_MAX,
    };
    let mut replies = Vec::new();
    control::put_welcome(connect.version, &welcome, &mut replies);
    Ok(Admission { attached, version: connect.version, by, expiry_s, input: Vec::new(), replies })
}

fn check(connect: &Connect) -> Result<(), Reason> {
    if connect.auth_method {
        return Err(Reason::AUTH_METHOD);
    }
    if connect.client_id.len() > limits::CLIENT_ID_BYTES_MAX || connect.client_id.contains('\0') {
        return Err(Reason::CLIENT_ID);
    }
    match &connect.will {
        Some(will) if !topic::is_topic(&will.topic) => Err(Reason::TOPIC),
        _ => Ok(()),
    }
}

fn realm(by: &By) -> Realm<'_> {
    match &by.account {
        Some(account) => match (&account.account.client_id, &account.account.username) {
            (Some(_), _) => Realm::ClientId,
            (None, name) => Realm::Username(name.as_deref().unwrap_or_default()),
        },
        None if by.stranger.is_some() => Realm::Stranger,
        None => Realm::Anonymous,
    }
}

fn is_named(shared: &Shared, connect: &Connect) -> bool {
    let (username, password) = (connect.username.as_deref(), connect.password.as_ref());
    !matches!(shared.accounts.judge(&connect.client_id, username, password), Judged::Unknown)
}

async fn judge(shared: &Shared, desk: &Desk, connect: &Connect, from: SocketAddr) -> Result<By, Reason> {
    let (username, password) = (connect.username.as_deref(), connect.password.as_ref());
    let known = |entry: Arc<super::accounts::Entry>| By {
        rights: entry.rights.clone(),
        account: Some(entry),
        stranger: None,
    };
    match shared.accounts.judge(&connect.client_id, username, password) {
        Judged::Known(entry) => return Ok(known(entry)),
        Judged::Wrong => return Err(Reason::CREDENTIALS),
        Judged::Unknown => {}
    }
    let policy = &desk.policy;
    let anonymous = !policy.anonymous_publish.is_empty() || !policy.anonymous_subscribe.is_empty();
    if username.is_none() && password.is_none() && anonymous {
        let rights = Rights {
            publish: policy.anonymous_publish.clone(),
            subscribe: policy.anonymous_subscribe.clone(),
        };
        return Ok(By { rights: Arc::new(rights), account: None, stranger: None });
    }
    if let Some(enrol) = &desk.enrol
        && enrol.enrol(&connect.client_id, username, password).await
        && let Judged::Known(entry) = shared.accounts.judge(&connect.client_id, username, password)
    {
        return Ok(known(entry));
    }
    desk.arrivals.knock(desk.clock.now(), strangers::arrival(connect, from));
    if policy.quarantine && shared.has_room_for_stranger() {
        let key = connect.client_id.as_str().into();
        return Ok(By { rights: Arc::default(), account: None, stranger: Some(key) });
    }
    Err(Reason::NOT_AUTHORIZED)
}
