//! Unknown clients, for people: what one said of itself, and the device that would be its own.

use std::net::SocketAddr;

use super::Account;
use crate::{
    claim::Stranger,
    message::Message,
    wire::{Version, control::Connect},
};

const CLIENT_ID: &str = "client_id";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const VERSION: &str = "version";
const GIVEN: &str = "yes";

/// What CONNECT says. The password is not told, only whether there was one.
pub(super) fn arrival(connect: &Connect, from: SocketAddr) -> sdk::Arrival {
    let version = if connect.version == Version::V5 { "5" } else { "3" };
    let mut facts =
        vec![(CLIENT_ID.to_string(), connect.client_id.clone()), (VERSION.to_string(), version.to_string())];
    if let Some(username) = &connect.username {
        facts.push((USERNAME.into(), username.clone()));
    }
    if connect.password.is_some() {
        facts.push((PASSWORD.into(), GIVEN.into()));
    }
    let mut arrival = sdk::Arrival {
        key: connect.client_id.clone(),
        from,
        facts,
        suggested_config: serde_json::Value::Null,
    };
    arrival.suggested_config = suggestion(&arrival, &[]);
    arrival
}

/// What it sent so far, oldest first.
pub(crate) fn said(waiting: sdk::Waiting) -> impl Iterator<Item = Message> {
    waiting.heard.into_iter().map(|heard| Message {
        topic: heard.channel.as_str().into(),
        payload: heard.payload,
        retained: false,
        received: heard.time,
    })
}

/// Whether this account would be the stranger's, as far as what it said of itself goes.
pub(crate) fn fits(arrival: &sdk::Arrival, account: &Account) -> bool {
    let fact = |name: &str| arrival.facts.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let named = account.client_id.is_some() || account.username.is_some();
    let same = |wanted: &Option<String>, said| wanted.as_deref().is_none_or(|wanted| said == Some(wanted));
    named && same(&account.client_id, fact(CLIENT_ID)) && same(&account.username, fact(USERNAME))
}

/// The same arrival with what its messages tell.
pub(super) fn told_more(waiting: sdk::Waiting) -> sdk::Arrival {
    let mut arrival = waiting.arrival.clone();
    let messages: Vec<Message> = said(waiting).collect();
    arrival.suggested_config = suggestion(&arrival, &messages);
    arrival
}

fn suggestion(arrival: &sdk::Arrival, messages: &[Message]) -> serde_json::Value {
    let fact = |name: &str| arrival.facts.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let stranger = Stranger {
        client_id: fact(CLIENT_ID).unwrap_or_default(),
        username: fact(USERNAME),
        has_password: fact(PASSWORD).is_some(),
        messages,
    };
    stranger.suggested_config()
}
