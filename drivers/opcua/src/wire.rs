//! One secure channel over one TCP connection: requests in, responses out.
//!
//! The crate's own session loop is not used. It keeps keys in a folder, knows no trust list but that folder, signs a
//! reactivation with the channel's nonce instead of the session's (OPC 10000-4, 5.7.3.2), which servers refuse, and
//! connects by itself; what it gives us is the channel, its encryption and the encoding.

use opcua::{
    client::{
        AsyncSecureChannel, ClientBuilder, SessionBuilder,
        transport::{
            Connector, RequestRecv, SecureChannelEventLoop, SecureChannelState, StreamConnection,
            StreamConnector, StreamTransport, TransportConfiguration, TransportPollResult,
        },
    },
    core::{RequestMessage, ResponseMessage, comms::tcp_codec::TcpCodec},
    crypto::CertificateStore,
    sync::RwLock,
    types::*,
};
use sdk::{Clock, DeviceCounters, Reach, Stream};
use std::{
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context as Waker, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};
use tokio_util::codec::FramedRead;

use crate::{certificate::Own, config::Config, fault::Trouble};

/// How long a channel's key is used; it is renewed after three quarters of that.
const CHANNEL_LIFETIME_MS: u32 = 600_000;
/// The largest message that is taken, and its chunks: 100,000 values of a notification are about 4 MB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
const CHUNKS_MAX: usize = 8_192;
const ARRAY_MAX: usize = 1 << 20;
const TEXT_BYTES_MAX: usize = 16 << 20;
/// The folder of certificates that the crate asks for: one that cannot be, so that nothing is read or written.
const NO_FOLDER: &str = "/dev/null/none";

type Halves = StreamTransport<ReadHalf<Unshared>, WriteHalf<Unshared>>;

/// A stream that only its owner uses. The crate wants its streams `Sync`; the mutex makes it so and is never locked.
struct Unshared(Mutex<Box<dyn Stream>>);

impl Unshared {
    fn stream(&mut self) -> Pin<&mut Box<dyn Stream>> {
        Pin::new(self.0.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncRead for Unshared {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, into)
    }
}

impl AsyncWrite for Unshared {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Waker<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, from)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

/// Hands one connection that is already open, and our certificate, to a channel.
struct Dialled {
    url: String,
    stream: Mutex<Option<Box<dyn Stream>>>,
    own: Option<Own>,
    state: OnceLock<Arc<SecureChannelState>>,
    /// The server said hello in OPC UA.
    greeted: AtomicBool,
}

impl Connector for Dialled {
    type Transport = Halves;

    async fn connect(
        &self,
        channel: Arc<SecureChannelState>,
        outgoing: RequestRecv,
        config: TransportConfiguration,
    ) -> Result<Halves, Error> {
        if let Some(own) = &self.own {
            let mut secured = channel.secure_channel().write();
            secured.set_cert(Some(own.certificate.x509.clone()));
            secured.set_private_key(Some(own.key.clone()));
        }
        // One connector serves one channel, so this is the first and only value.
        let _first = self.state.set(channel.clone());
        let over = |url: String, options: DecodingOptions| {
            let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            std::future::ready(match stream {
                Some(stream) => {
                    let (reader, writer) = split(Unshared(Mutex::new(stream)));
                    Ok(StreamConnection::new(FramedRead::new(reader, TcpCodec::new(options)), writer, url))
                }
                None => Err(Error::new(StatusCode::BadConnectionClosed, "the connection was used up")),
            })
        };
        let greeted = StreamConnector::new(over, self.url.clone()).connect(channel, outgoing, config).await;
        self.greeted.store(greeted.is_ok(), Ordering::Relaxed);
        greeted
    }

    fn default_endpoint(&self) -> EndpointDescription {
        EndpointDescription::from(self.url.as_str())
    }
}

/// What moves bytes; nothing happens while it is not polled.
pub(crate) struct Pump(SecureChannelEventLoop<Halves>);

impl Pump {
    /// Moves bytes until the connection is gone.
    pub(crate) async fn run(&mut self) -> Trouble {
        loop {
            if let TransportPollResult::Closed(status) = self.0.poll().await {
                return Trouble::Closed(status);
            }
        }
    }

    /// Moves bytes while `work` goes on.
    pub(crate) async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            done = work => done,
            closed = self.run() => Err(closed),
        }
    }
}

/// A channel that requests go through.
pub(crate) struct Wire {
    channel: AsyncSecureChannel,
    state: Arc<SecureChannelState>,
    token: Mutex<NodeId>,
    /// Of the channel, as last seen.
    channel_token: AtomicU32,
    timeout: Duration,
    clock: Clock,
    counters: Arc<DeviceCounters>,
}

/// Opens a channel to an endpoint. `own` is needed for all policies but None.
pub(crate) async fn open(
    reach: &Reach,
    config: &Config,
    endpoint: EndpointDescription,
    own: Option<Own>,
    counters: Arc<DeviceCounters>,
) -> Result<(Arc<Wire>, Pump), Trouble> {
    let timeout = config.timeout();
    let Some((host, port)) = config.host_and_port() else {
        return Err(Trouble::Foreign("the URL names no host".into()));
    };
    let stream = reach.net.connect_tcp(&host, port, timeout).await.map_err(Trouble::Connect)?;
    let secured = own.is_some();
    let dialled = Dialled {
        url: config.endpoint_url.clone(),
        stream: Mutex::new(Some(stream)),
        own,
        state: OnceLock::new(),
        greeted: AtomicBool::new(false),
    };
    let channel = channel(config, endpoint)?;
    let connected = reach.clock.timeout(timeout, channel.connect_no_retry(&dialled)).await;
    let event_loop = match connected {
        Err(_elapsed) => return Err(Trouble::Timeout),
        Ok(Err(error)) if secured && dialled.greeted.load(Ordering::Relaxed) => {
            return Err(Trouble::Channel(error.status()));
        }
        Ok(Err(error)) => return Err(Trouble::Foreign(reason(&error))),
        Ok(Ok(event_loop)) => event_loop,
    };
    let state = dialled.state.into_inner().ok_or_else(|| Trouble::Foreign("no channel".into()))?;
    let clock = reach.clock.clone();
    let (token, channel_token) = (Mutex::new(NodeId::null()), AtomicU32::new(0));
    let wire = Wire { channel, state, token, channel_token, timeout, clock, counters };
    Ok((Arc::new(wire), Pump(event_loop)))
}

/// What the server said instead of hello, without the crate's rendering of the whole message.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    let word = text.split("error: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match word {
        Some(status) if status.starts_with("Bad") => status.to_string(),
        _ => error.status().to_string(),
    }
}

fn channel(config: &Config, mut endpoint: EndpointDescription) -> Result<AsyncSecureChannel, Trouble> {
    // The crate reads exactly one certificate here, and the URL is the one that people reach the server by.
    let chain = endpoint.server_certificate.as_ref().to_vec();
    if let Some(first) = crate::der::first_of_chain(&chain) {
        endpoint.server_certificate = ByteString::from(first.to_vec());
    }
    endpoint.endpoint_url = config.endpoint_url.as_str().into();
    let client = ClientBuilder::new()
        .channel_lifetime(CHANNEL_LIFETIME_MS)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_chunk_count(CHUNKS_MAX)
        .max_array_length(ARRAY_MAX)
        .max_string_length(TEXT_BYTES_MAX)
        .max_byte_string_length(TEXT_BYTES_MAX)
        // Otherwise the crate moves every time it reads by what our clocks differ: source times stay what they are.
        .ignore_clock_skew(false)
        .into_config();
    let store = Arc::new(RwLock::new(CertificateStore::new(Path::new(NO_FOLDER))));
    // The crate reports an error for the folder that is not there on purpose.
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        SessionBuilder::new(&client).connect_to_endpoint_directly(endpoint)?.build_channel(store)
    })
    .map_err(|error| Trouble::Foreign(error.to_string()))
}

/// A request and its response.
pub(crate) trait Service: Into<RequestMessage> + Send {
    /// What comes back.
    type Response: Send;
    /// For people.
    const NAME: &'static str;
    fn header(&mut self) -> &mut RequestHeader;
    fn response(message: ResponseMessage) -> Result<Self::Response, ResponseMessage>;
    fn result(response: &Self::Response) -> StatusCode;
}

macro_rules! services {
    ($($name:ident: $request:ident -> $response:ident,)*) => { $(
        impl Service for $request {
            type Response = $response;
            const NAME: &'static str = stringify!($name);
            fn header(&mut self) -> &mut RequestHeader {
                &mut self.request_header
            }
            fn response(message: ResponseMessage) -> Result<$response, ResponseMessage> {
                match message {
                    ResponseMessage::$name(response) => Ok(*response),
                    other => Err(other),
                }
            }
            fn result(response: &$response) -> StatusCode {
                response.response_header.service_result
            }
        }
    )* };
}

services! {
    GetEndpoints: GetEndpointsRequest -> GetEndpointsResponse,
    CreateSession: CreateSessionRequest -> CreateSessionResponse,
    ActivateSession: ActivateSessionRequest -> ActivateSessionResponse,
    CloseSession: CloseSessionRequest -> CloseSessionResponse,
    Read: ReadRequest -> ReadResponse,
    Write: WriteRequest -> WriteResponse,
    Call: CallRequest -> CallResponse,
    HistoryRead: HistoryReadRequest -> HistoryReadResponse,
    Browse: BrowseRequest -> BrowseResponse,
    BrowseNext: BrowseNextRequest -> BrowseNextResponse,
    CreateSubscription: CreateSubscriptionRequest -> CreateSubscriptionResponse,
    DeleteSubscriptions: DeleteSubscriptionsRequest -> DeleteSubscriptionsResponse,
    TransferSubscriptions: TransferSubscriptionsRequest -> TransferSubscriptionsResponse,
    CreateMonitoredItems: CreateMonitoredItemsRequest -> CreateMonitoredItemsResponse,
    Publish: PublishRequest -> PublishResponse,
    Republish: RepublishRequest -> RepublishResponse,
}

impl Wire {
    /// Asks and waits for the answer as long as the configuration gives.
    pub(crate) async fn call<S: Service>(&self, request: S) -> Result<S::Response, Trouble> {
        self.call_within(request, self.timeout).await
    }

    /// Asks and waits for the answer.
    pub(crate) async fn call_within<S: Service>(
        &self,
        mut request: S,
        timeout: Duration,
    ) -> Result<S::Response, Trouble> {
        DeviceCounters::count(&self.counters.requests);
        self.date_channel_token();
        let timeout_hint = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        *request.header() = RequestHeader {
            authentication_token: self.token.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            timestamp: crate::value::date_time(self.clock.now()),
            request_handle: self.channel.request_handle(),
            timeout_hint,
            ..RequestHeader::dummy()
        };
        let answered = match self.channel.send(request, timeout).await {
            Ok(message) => answer::<S>(message),
            Err(error) => Err(trouble(S::NAME, error.status())),
        };
        if answered.is_err() {
            DeviceCounters::count(&self.counters.failures);
        }
        answered
    }

    /// Counts the age of the channel's key by our clock. A controller's clock may be wrong by years: by its own dates the
    /// key would be renewed with every request, or never.
    fn date_channel_token(&self) {
        let channel = self.state.secure_channel();
        let token_id = channel.read().token_id();
        if self.channel_token.swap(token_id, Ordering::Relaxed) == token_id {
            return;
        }
        let mut channel = channel.write();
        let token = ChannelSecurityToken {
            channel_id: channel.secure_channel_id(),
            token_id: channel.token_id(),
            created_at: DateTime::now(),
            revised_lifetime: channel.token_lifetime(),
        };
        channel.set_security_token(token);
    }

    /// From now on every request says so.
    pub(crate) fn set_token(&self, token: NodeId) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// What the server's next signature must cover, and what signs ours: the session's nonce, not the channel's.
    pub(crate) fn set_server_nonce(&self, nonce: &ByteString) -> Result<(), Trouble> {
        let mut secured = self.state.secure_channel().write();
        secured.set_remote_nonce_from_byte_string(nonce).map_err(|error| Trouble::Foreign(error.to_string()))
    }

    pub(crate) fn channel(&self) -> &AsyncSecureChannel {
        &self.channel
    }
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn answer<S: Service>(message: ResponseMessage) -> Result<S::Response, Trouble> {
    let refused = |status| Trouble::Refused { service: S::NAME, status };
    match S::response(message) {
        Ok(response) => match S::result(&response) {
            status if status.is_bad() => Err(refused(status)),
            _ => Ok(response),
        },
        Err(ResponseMessage::ServiceFault(fault)) => Err(refused(fault.response_header.service_result)),
        Err(_) => Err(refused(StatusCode::BadUnknownResponse)),
    }
}

/// What a status means when no response came with it.
pub(crate) fn trouble(service: &'static str, status: StatusCode) -> Trouble {
    match status {
        StatusCode::BadTimeout | StatusCode::BadRequestTimeout => Trouble::Timeout,
        StatusCode::BadConnectionClosed
        | StatusCode::BadCommunicationError
        | StatusCode::BadNotConnected
        | StatusCode::BadSecureChannelClosed
        | StatusCode::BadSecureChannelIdInvalid
        | StatusCode::BadSecureChannelTokenUnknown
        | StatusCode::BadTcpInternalError
        | StatusCode::BadDecodingError
        | StatusCode::BadSequenceNumberInvalid => Trouble::Closed(status),
        status => Trouble::Refused { service, status },
    }
}
