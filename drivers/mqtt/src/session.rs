//! One connection to a broker outside: the only file of the client with IO. Every call may be dropped and made again
//! without losing a byte.

use bytes::Bytes;
use rmqtt_codec::types::QoS;
use sdk::{Clock, Net, Stream};
use std::{collections::VecDeque, io, num::NonZeroU16, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::{
    client::{Client, Event},
    client_tls,
    config::{Config, Version},
    fault::Trouble,
    packet::Hello,
    topic,
};

/// How long TCP, TLS and the broker's first answer may take each.
pub(crate) const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// Filters in one packet; brokers bound packets.
const FILTERS_AT_ONCE: usize = 64;
/// Messages that may come before the broker has acknowledged the subscriptions.
const EARLY_MAX: usize = 4_096;
/// Messages of ours that a version 3.1.1 broker may still send back to us.
const ECHOES_MAX: usize = 16;

/// An accepted connection.
pub(crate) struct Session {
    client: Client,
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    /// Something was written and may lie in the encryption layer.
    unflushed: bool,
    clock: Clock,
    keep_alive: Duration,
    /// When the next sign of life is due.
    ping_at: Duration,
    qos: QoS,
    version: Version,
    /// The broker keeps nothing for us beyond the connection.
    clean_start: bool,
    /// What we published ourselves: 3.1.1 has no way to ask a broker not to send it back.
    echoes: VecDeque<(String, Bytes)>,
    /// What we subscribed to.
    filters: Vec<String>,
}

/// QoS by its number.
pub(crate) fn qos(number: u8) -> QoS {
    match number {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

impl Session {
    /// Connects and is accepted, or says why not.
    pub(crate) async fn open(config: &Config, net: &Net, clock: &Clock) -> Result<Session, Trouble> {
        let hello = Hello {
            client_id: config.client_id.clone().unwrap_or_default(),
            username: config.username.clone(),
            password: config.password.clone(),
            keep_alive_s: config.keep_alive_s,
            clean_start: config.clean_start,
        };
        Self::greet(config, hello, net, clock).await
    }

    /// As [`Session::open`], under another name: for a look beside a device that is connected.
    pub(crate) async fn greet(
        config: &Config,
        hello: Hello,
        net: &Net,
        clock: &Clock,
    ) -> Result<Session, Trouble> {
        let client = Client::new(config.version, hello).map_err(Trouble::Protocol)?;
        let (read, write) = tokio::io::split(stream(config, net, clock).await?);
        let keep_alive = Duration::from_secs(u64::from(config.keep_alive_s));
        let mut session = Session {
            client,
            read,
            write,
            unflushed: false,
            clock: clock.clone(),
            keep_alive,
            ping_at: clock.monotonic() + keep_alive,
            qos: qos(config.qos),
            version: config.version,
            clean_start: config.clean_start,
            echoes: VecDeque::new(),
            filters: Vec::new(),
        };
        match clock.timeout(OPEN_WITHIN, session.next()).await {
            Err(_) => Err(Trouble::Silent),
            Ok(Err(trouble)) => Err(trouble),
            Ok(Ok(Event::Accepted { keep_alive_s })) => {
                if let Some(seconds) = keep_alive_s.filter(|seconds| *seconds > 0) {
                    session.keep_alive = Duration::from_secs(u64::from(seconds));
                }
                session.ping_at = clock.monotonic() + session.keep_alive / 2;
                Ok(session)
            }
            Ok(Ok(Event::Refused(refusal))) => Err(Trouble::Refused(refusal)),
            Ok(Ok(other)) => Err(Trouble::Protocol(format!("{other:?} before the broker's first answer"))),
        }
    }

    /// Subscribes; one outcome a filter. What comes in between is kept in `early`: a broker may send what it kept before it
    /// acknowledges (MQTT 5.0, 3.8.4).
    pub(crate) async fn subscribe(
        &mut self,
        filters: &[String],
        early: &mut Vec<Event>,
    ) -> Result<Vec<Result<(), String>>, Trouble> {
        self.filters = filters.to_vec();
        let clock = self.clock.clone();
        let mut outcomes = Vec::with_capacity(filters.len());
        for some in filters.chunks(FILTERS_AT_ONCE) {
            self.client.subscribe(some.to_vec(), self.qos).map_err(Trouble::Protocol)?;
            let until = clock.monotonic() + OPEN_WITHIN;
            loop {
                match clock.timeout(until.saturating_sub(clock.monotonic()), self.next()).await {
                    Err(_) => return Err(Trouble::Silent),
                    Ok(Err(trouble)) => return Err(trouble),
                    Ok(Ok(Event::Subscribed(some))) => break outcomes.extend(some),
                    Ok(Ok(event)) if early.len() < EARLY_MAX => early.push(event),
                    Ok(Ok(_)) => return Err(Trouble::Protocol("no answer to a subscription".into())),
                }
            }
        }
        Ok(outcomes)
    }

    /// Publishes; see [`Client::publish`].
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        payload: Bytes,
        qos: QoS,
    ) -> Result<Option<NonZeroU16>, String> {
        let comes_back = self.filters.iter().any(|filter| topic::matches(filter, topic));
        if self.version == Version::V311 && comes_back {
            if self.echoes.len() >= ECHOES_MAX {
                self.echoes.pop_front();
            }
            self.echoes.push_back((topic.to_string(), payload.clone()));
        }
        self.client.publish(topic.to_string(), payload, qos)
    }

    /// See [`Client::ticket`].
    pub(crate) fn ticket(&self) -> u64 {
        self.client.ticket()
    }

    /// Acknowledges what is durable. What is not ends a session that the broker keeps: it sends it again then.
    pub(crate) fn settle(&mut self, ticket: u64, stored: bool) -> Result<(), Trouble> {
        if !stored && !self.clean_start {
            return Err(Trouble::Closed("what came could not be stored; the broker sends it again".into()));
        }
        self.client.settle(ticket).map_err(Trouble::Protocol)
    }

    /// Sends what waits and says goodbye.
    pub(crate) async fn close(mut self) {
        let clock = self.clock.clone();
        let goodbye = async {
            self.client.disconnect().map_err(io::Error::other)?;
            self.write.write_all_buf(&mut self.client.out).await?;
            self.write.shutdown().await
        };
        // Whoever is gone needs no goodbye.
        let _gone = clock.timeout(OPEN_WITHIN, goodbye).await;
    }

    /// As [`Session::next`], for who keeps nothing: what comes is acknowledged at once.
    pub(crate) async fn next_settled(&mut self) -> Result<Event, Trouble> {
        let event = self.next().await?;
        self.settle(self.ticket(), true)?;
        Ok(event)
    }

    /// The next event. Sends meanwhile, and keeps the connection alive.
    pub(crate) async fn next(&mut self) -> Result<Event, Trouble> {
        loop {
            match self.client.next().map_err(Trouble::Protocol)? {
                Some(Event::Disconnected(reason)) => {
                    return Err(Trouble::Closed(format!("the broker ended it: {reason}")));
                }
                Some(Event::Message { topic, payload, .. }) if self.is_echo(&topic, &payload) => continue,
                Some(event) => return Ok(event),
                None => {}
            }
            self.exchange().await?;
        }
    }

    fn is_echo(&mut self, topic: &str, payload: &Bytes) -> bool {
        let at = self.echoes.iter().position(|(sent, what)| sent == topic && what == payload);
        at.and_then(|at| self.echoes.remove(at)).is_some()
    }

    /// Moves bytes one way or the other, or pings.
    async fn exchange(&mut self) -> Result<(), Trouble> {
        let broken = |error: io::Error| Trouble::Closed(error.to_string());
        let Session { client, read, write, unflushed, clock, keep_alive, ping_at, .. } = self;
        let Client { inbox, out, .. } = client;
        let waiting = !out.is_empty();
        let send = async {
            match (waiting, *unflushed) {
                (true, _) => write.write_buf(out).await.map(|_| true),
                (false, true) => write.flush().await.map(|()| false),
                (false, false) => std::future::pending().await,
            }
        };
        tokio::select! {
            // What waits is bounded, so it cannot keep us from reading; and what came is read before silence is judged.
            biased;
            sent = send => {
                *unflushed = sent.map_err(broken)?;
                Ok(())
            }
            came = read.read_buf(inbox) => match came.map_err(broken)? {
                0 => Err(Trouble::Closed("the broker closed it".into())),
                _ => Ok(()),
            },
            () = clock.sleep_until(*ping_at) => {
                if client.pinged {
                    return Err(Trouble::Closed("the broker stopped answering".into()));
                }
                // Twice in a period, so that a broker that waits 1.5 periods hears at least two.
                *ping_at = clock.monotonic() + *keep_alive / 2;
                client.ping().map_err(Trouble::Protocol)
            }
        }
    }
}

async fn stream(config: &Config, net: &Net, clock: &Clock) -> Result<Box<dyn Stream>, Trouble> {
    let host = config.host.as_deref().unwrap_or_default().trim();
    let connect = net.connect_tcp(host, config.port(), OPEN_WITHIN);
    let stream = match clock.timeout(OPEN_WITHIN, connect).await {
        Ok(connected) => connected.map_err(Trouble::Connect)?,
        Err(_) => return Err(Trouble::Connect(io::ErrorKind::TimedOut.into())),
    };
    let Some(tls) = &config.tls else { return Ok(stream) };
    match clock.timeout(OPEN_WITHIN, client_tls::connect(stream, host, tls)).await {
        Ok(encrypted) => encrypted.map_err(Trouble::Tls),
        Err(_) => Err(Trouble::Silent),
    }
}
