//! Live values over a WebSocket: at most [`FRAMES_A_SECOND`] frames, the newest value of each point in each.

use axum::{
    extract::{
        Extension, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use sdk::{LatestSample, Scope, Subscription};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use types::{ObjectId, PointId, Time};

use crate::{gate::SessionToken, node::Node};

/// What an eye can follow.
pub const FRAMES_A_SECOND: u32 = 2;
/// The longest message a client may send: 5,000 ids in JSON.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// How often the session behind an open connection is checked again.
const SESSION_CHECK: Duration = Duration::from_secs(5);
/// A client that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    subscribe: Vec<ObjectId>,
}

#[derive(Serialize)]
struct Row {
    point: ObjectId,
    time: Time,
    value: Option<serde_json::Value>,
    quality: u32,
}

/// `GET /api/v1/live`
pub(crate) async fn open(
    node: Node,
    scope: Scope,
    Extension(session): Extension<SessionToken>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| async move {
        let mut feed =
            Feed { scope, names: HashMap::new(), subscription: Subscription::to(&[]), told_shed: 0 };
        run(socket, &mut feed, node, session.0).await;
    })
}

struct Feed {
    scope: Scope,
    names: HashMap<PointId, ObjectId>,
    subscription: Subscription,
    told_shed: u64,
}

async fn run(mut socket: WebSocket, feed: &mut Feed, node: Node, token: String) {
    let clock = node.running().clock();
    let frame = Duration::from_secs(1) / FRAMES_A_SECOND;
    let mut next_frame = clock.monotonic();
    let mut next_check = clock.monotonic() + SESSION_CHECK;
    loop {
        tokio::select! {
            message = socket.recv() => {
                let reply = match message {
                    Some(Ok(Message::Text(text))) => feed.ask(text.as_str()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    _ => return,
                };
                if !send(&mut socket, &clock, reply).await { return }
            }
            rows = async { clock.sleep_until(next_frame).await; feed.subscription.next().await } => {
                next_frame = clock.monotonic() + frame;
                let text = feed.frame(rows);
                if !send(&mut socket, &clock, text).await { return }
            }
            () = clock.sleep_until(next_check) => {
                next_check = clock.monotonic() + SESSION_CHECK;
                if node.access().authenticate(&token).await.is_err() { return }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, clock: &sdk::Clock, text: String) -> bool {
    matches!(clock.timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await, Ok(Ok(())))
}

impl Feed {
    /// A new set of points; answered with what is known of them now. Subscribes first, so that nothing falls between.
    fn ask(&mut self, text: &str) -> String {
        let ask: Ask = match serde_json::from_str(text) {
            Ok(ask) => ask,
            Err(error) => {
                let detail = format!("not understood: {error}; send {{\"subscribe\": [point ids]}}");
                return serde_json::json!({ "fault": { "code": "invalid", "detail": detail } }).to_string();
            }
        };
        let found = self.scope.plant.points_by_object(&ask.subscribe);
        self.names = found.into_iter().flatten().map(|p| (p.id, p.object)).collect();
        let points: Vec<PointId> = self.names.keys().copied().collect();
        self.subscription = self.scope.samples.subscribe(&points);
        self.told_shed = 0;
        let latest = self.scope.samples.latest(&points).into_iter().flatten();
        let rows = latest.map(|l| LatestSample {
            point: l.point,
            time: if l.quality.is_bad() { l.quality_time } else { l.value_time },
            value: l.value,
            quality: l.quality,
        });
        let rows = rows.collect();
        self.frame(rows)
    }

    fn frame(&mut self, rows: Vec<LatestSample>) -> String {
        let rows: Vec<Row> = rows
            .into_iter()
            .filter_map(|row| {
                Some(Row {
                    point: *self.names.get(&row.point)?,
                    time: row.time,
                    value: row.value.map(|v| v.to_json()),
                    quality: row.quality.0,
                })
            })
            .collect();
        let mut frame = serde_json::json!({ "samples": rows });
        let shed = self.subscription.passed_over();
        if shed != self.told_shed {
            self.told_shed = shed;
            frame["shed"] = shed.into();
        }
        frame.to_string()
    }
}
