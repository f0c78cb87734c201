//! From a URL to an activated session: which endpoint, whose certificate, who we are; and back into the same session over
//! a new connection.

use opcua::{
    client::{IdentityToken, services},
    crypto::{self, random},
    types::*,
};
use sdk::{DeviceCounters, Reach};
use std::{sync::Arc, time::Duration};

use crate::{
    certificate::{self, Certificate, Judged, Own},
    config::{Config, Identity, SecurityPolicy},
    fault::{self, Trouble},
    wire::{self, Pump, Wire},
};

/// The only transport that is spoken: UA TCP, UA Secure Conversation, UA Binary (OPC 10000-7).
const TRANSPORT: &str = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary";
/// Bytes of a nonce (OPC 10000-4, 5.7.2.2).
const NONCE_BYTES: usize = 32;

/// A server as it was chosen and checked, ready to be connected to as often as needed.
pub(crate) struct Server {
    pub(crate) endpoint: EndpointDescription,
    pub(crate) offered: Vec<EndpointDescription>,
    pub(crate) host_mismatch: Option<String>,
    /// The server's certificate and ours; none without security.
    secured: Option<(Certificate, Own)>,
    application_uri: String,
    identity: IdentityToken,
}

/// What names our session to the server; outlives connections.
pub(crate) struct Ticket {
    token: NodeId,
    nonce: ByteString,
    /// How long the server keeps the session without hearing from us.
    pub(crate) lifetime: Duration,
}

/// A session that requests go through.
pub(crate) struct Link {
    pub(crate) wire: Arc<Wire>,
    pub(crate) pump: Pump,
}

/// Asks the server what it offers; over an unsecured channel, as the standard has it. What it says is believed only
/// once the channel that is made of it is signed.
pub(crate) async fn discover(
    reach: &Reach,
    config: &Config,
    counters: &Arc<DeviceCounters>,
) -> Result<Vec<EndpointDescription>, Trouble> {
    let plain = EndpointDescription::from(config.endpoint_url.as_str());
    let (wire, mut pump) = wire::open(reach, config, plain, None, counters.clone()).await?;
    let request = GetEndpointsRequest {
        request_header: RequestHeader::dummy(),
        endpoint_url: config.endpoint_url.as_str().into(),
        locale_ids: None,
        profile_uris: None,
    };
    let response = pump.during(wire.call(request)).await?;
    let spoken = |endpoint: &EndpointDescription| {
        let transport = &endpoint.transport_profile_uri;
        transport.is_empty() || transport.as_ref() == TRANSPORT
    };
    Ok(response.endpoints.unwrap_or_default().into_iter().filter(spoken).collect())
}

/// Finds the endpoint that the configuration means, and checks the certificate behind it.
pub(crate) async fn choose(
    reach: &Reach,
    config: &Config,
    counters: &Arc<DeviceCounters>,
) -> Result<Server, Trouble> {
    let offered = discover(reach, config, counters).await?;
    let mut endpoint = matching(config, &offered)?;
    let (mut own, mut judged) = (None, None);
    if config.security_policy != SecurityPolicy::None || config.identity == Identity::OwnCertificate {
        own = Some(certificate::own(reach).await.map_err(Trouble::Person)?);
    }
    if config.security_policy != SecurityPolicy::None {
        let policy = config.security_policy.spoken();
        judged = Some(certificate::judge(reach, config, &endpoint, policy).await?);
    }
    let token = token_policy(config, &endpoint)?;
    endpoint.user_identity_tokens = Some(vec![token]);
    let identity = match (config.identity, &own) {
        (Identity::UserName, _) => IdentityToken::new_user_name(
            config.user_name.clone().unwrap_or_default(),
            config.password.clone().unwrap_or_default(),
        ),
        (Identity::Certificate, _) => user_token(certificate::of_user(config).map_err(Trouble::Person)?),
        (Identity::OwnCertificate, Some(own)) => user_token(own.clone()),
        (Identity::Anonymous | Identity::OwnCertificate, _) => IdentityToken::Anonymous,
    };
    let application_uri = own.as_ref().map_or("urn:sinew", Own::application_uri).to_string();
    let (secured, host_mismatch) = match (judged, own) {
        (Some(Judged { certificate, host_mismatch }), Some(own)) => (Some((certificate, own)), host_mismatch),
        _ => (None, None),
    };
    Ok(Server { endpoint, offered, host_mismatch, secured, application_uri, identity })
}

fn user_token(user: Own) -> IdentityToken {
    IdentityToken::new_x509(user.certificate.x509, user.key)
}

fn matching(config: &Config, offered: &[EndpointDescription]) -> Result<EndpointDescription, Trouble> {
    let (policy, mode) = (config.security_policy.spoken(), config.mode());
    let mut fitting = offered.iter().filter(|endpoint| {
        endpoint.security_policy_uri.as_ref() == policy.to_uri() && endpoint.security_mode == mode
    });
    // One server may list itself once for each of its addresses.
    let host = config.host_and_port().map(|(host, _)| host);
    let named = fitting.clone().find(|endpoint| {
        crate::config::host_and_port(endpoint.endpoint_url.as_ref()).map(|(host, _)| host) == host
    });
    named.or_else(|| fitting.next()).cloned().ok_or_else(|| {
        let wanted = format!("{} with {mode}", config.security_policy.name());
        Trouble::Person(fault::not_offered(config, &wanted, &list(offered)))
    })
}

/// What a server offers, for people: `Basic256Sha256 with Sign, …`.
pub(crate) fn list(offered: &[EndpointDescription]) -> String {
    let mut names: Vec<String> = offered
        .iter()
        .map(|endpoint| {
            let policy = endpoint.security_policy_uri.as_ref();
            format!("{} with {}", policy.rsplit('#').next().unwrap_or(policy), endpoint.security_mode)
        })
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// How the server wants our identity, if it takes it at all and in a way that nobody can read.
fn token_policy(config: &Config, endpoint: &EndpointDescription) -> Result<UserTokenPolicy, Trouble> {
    let kind = match config.identity {
        Identity::Anonymous => UserTokenType::Anonymous,
        Identity::UserName => UserTokenType::UserName,
        Identity::Certificate | Identity::OwnCertificate => UserTokenType::Certificate,
    };
    let all = endpoint.user_identity_tokens.as_deref().unwrap_or_default();
    let mut of_kind = all.iter().filter(|token| token.token_type == kind).peekable();
    if of_kind.peek().is_none() {
        if kind == UserTokenType::Anonymous && all.is_empty() {
            return Ok(UserTokenPolicy::default());
        }
        let offered: Vec<String> = all.iter().map(|token| format!("{:?}", token.token_type)).collect();
        let wanted = format!("identity {kind:?}");
        return Err(Trouble::Person(fault::not_offered(config, &wanted, &offered.join(", "))));
    }
    if kind == UserTokenType::Anonymous {
        return of_kind.next().cloned().ok_or(Trouble::Timeout);
    }
    // An empty policy means that of the channel.
    let channel = config.security_policy.spoken();
    let effective = |token: &UserTokenPolicy| match token.security_policy_uri.as_ref() {
        "" => channel,
        uri => crypto::SecurityPolicy::from_uri(uri),
    };
    let safe = |policy: crypto::SecurityPolicy| {
        use crypto::SecurityPolicy as P;
        matches!(policy, P::Basic256Sha256 | P::Aes128Sha256RsaOaep | P::Aes256Sha256RsaPss)
    };
    // The password alone may be sent in an encrypted channel without a policy of its own.
    let encrypted = config.mode() == MessageSecurityMode::SignAndEncrypt && kind == UserTokenType::UserName;
    let usable = |policy| safe(policy) || (encrypted && policy == crypto::SecurityPolicy::None);
    let Some(token) = of_kind.find(|token| usable(effective(token))) else {
        let place = config.endpoint_url.as_str();
        let detail = format!(
            "{place} would take this identity only in a way that others on the line could read or forge; choose a \
             security policy other than None, or switch on Basic256Sha256 for user tokens in the server"
        );
        return Err(Trouble::Person(
            types::Fault::new("opcua.identity-unprotected", detail).arg("place", place),
        ));
    };
    let mut token = token.clone();
    if kind == UserTokenType::Certificate {
        // The crate takes an empty policy for None and would send no signature.
        token.security_policy_uri = effective(&token).to_uri().into();
    }
    Ok(token)
}

impl Server {
    fn policy(&self) -> crypto::SecurityPolicy {
        crypto::SecurityPolicy::from_uri(self.endpoint.security_policy_uri.as_ref())
    }

    /// A new connection with a secured channel.
    pub(crate) async fn connect(
        &self,
        reach: &Reach,
        config: &Config,
        counters: &Arc<DeviceCounters>,
    ) -> Result<Link, Trouble> {
        let own = self.secured.as_ref().map(|(_, own)| own.clone());
        let (wire, pump) = wire::open(reach, config, self.endpoint.clone(), own, counters.clone()).await?;
        Ok(Link { wire, pump })
    }

    /// A new session on a connection.
    pub(crate) async fn create(&self, link: &mut Link, config: &Config) -> Result<Ticket, Trouble> {
        let nonce = random::byte_string(NONCE_BYTES);
        let request = CreateSessionRequest {
            request_header: RequestHeader::dummy(),
            client_description: ApplicationDescription {
                application_uri: self.application_uri.as_str().into(),
                product_uri: "urn:sinew".into(),
                application_name: "Sinew".into(),
                application_type: ApplicationType::Client,
                ..ApplicationDescription::default()
            },
            server_uri: UAString::null(),
            endpoint_url: self.endpoint.endpoint_url.clone(),
            session_name: format!("Sinew {}", self.application_uri).into(),
            client_nonce: nonce.clone(),
            client_certificate: match &self.secured {
                Some((_, own)) => own.certificate.der(),
                None => ByteString::null(),
            },
            requested_session_timeout: f64::from(config.session_timeout_ms),
            max_response_message_size: 0,
        };
        link.wire.set_token(NodeId::null());
        let response = link.pump.during(link.wire.call(request)).await?;
        self.check_created(config, &response, &nonce)?;
        let lifetime = response.revised_session_timeout.clamp(1_000.0, 86_400_000.0);
        let mut ticket = Ticket {
            token: response.authentication_token,
            nonce: response.server_nonce,
            lifetime: Duration::from_millis(lifetime as u64),
        };
        self.activate(link, &mut ticket).await?;
        Ok(ticket)
    }

    /// That whoever answers holds the key of the certificate that was judged.
    fn check_created(
        &self,
        config: &Config,
        response: &CreateSessionResponse,
        nonce: &ByteString,
    ) -> Result<(), Trouble> {
        let Some((server, own)) = &self.secured else { return Ok(()) };
        let shown = crate::der::first_of_chain(response.server_certificate.as_ref());
        let same = shown.is_some_and(|shown| *shown == *server.der().as_ref());
        let signed = crypto::verify_signature_data(
            &response.server_signature,
            self.policy(),
            &server.x509,
            &own.certificate.x509,
            nonce.as_ref(),
        );
        if same && signed.is_ok() {
            return Ok(());
        }
        let place = config.endpoint_url.as_str();
        let detail = format!(
            "{place} could not prove that it holds the key of its certificate; somebody may stand between: check the \
             network, then the server's certificate"
        );
        Err(Trouble::Person(types::Fault::new("opcua.server-proof", detail).arg("place", place)))
    }

    /// Into the session of a ticket, over this connection. The ticket then fits the next one.
    pub(crate) async fn activate(&self, link: &mut Link, ticket: &mut Ticket) -> Result<(), Trouble> {
        let Link { wire, pump } = link;
        wire.set_token(ticket.token.clone());
        wire.set_server_nonce(&ticket.nonce)?;
        let handle = wire.channel().request_handle();
        let token = ticket.token.clone();
        let mut request =
            services::ActivateSession::new_manual(self.endpoint.clone(), 0, wire.timeout(), token, handle)
                .identity_token(self.identity.clone());
        if let Some((_, own)) = &self.secured {
            request = request.private_key(own.key.clone());
        }
        let activate = async {
            let answered = opcua::client::UARequest::send(request, wire.channel()).await;
            answered.map_err(|error| wire::trouble("ActivateSession", error.status()))
        };
        ticket.nonce = pump.during(activate).await?.server_nonce;
        Ok(())
    }
}

/// Ends a session in good order. The server would otherwise keep it until it runs out.
pub(crate) async fn close(mut link: Link) {
    let request = CloseSessionRequest { request_header: RequestHeader::dummy(), delete_subscriptions: true };
    // Whether it worked makes no difference: the connection is closed next.
    let _closed = link.pump.during(link.wire.call(request)).await;
}
