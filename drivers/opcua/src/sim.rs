//! A simulated OPC UA server: variables from a list, values set from outside, methods that run a closure. Serves the tests
//! and the demo plant.
//!
//! It is made without the 240,000 generated lines of the standard's own nodes: only those that a client asks for are there.
//! Secured unless it is told otherwise; [`Access::open`] is for a demo on loopback.

use opcua::types::*;
use opcua_server::{
    ANONYMOUS_USER_TOKEN_ID, ServerBuilder, ServerEndpoint, ServerHandle, ServerUserToken,
    address_space::{AddressSpace, MethodBuilder, NodeType, VariableBuilder},
    diagnostics::NamespaceMetadata,
    node_manager::memory::{SimpleNodeManager, simple_node_manager},
};
use sdk::Clock;
use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpListener;
use types::{Value, ValueType};

use crate::value::{self, scalar_of};

/// The namespace of the simulated nodes: `nsu=urn:sinew:sim;s=<name>`.
pub const NAMESPACE: &str = "urn:sinew:sim";
const STANDARD: &str = "http://opcfoundation.org/UA/";
/// Nodes of one request, as the server announces them.
const OPERATIONS_MAX: u32 = 1_000;
/// How often subscriptions are served.
const TICK_MS: u64 = 50;

/// One variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its identifier and shown name; `/` makes folders: `Line1/Press/Temp`.
    pub name: String,
    /// Its first value; its type is the node's for good.
    pub value: Value,
    /// UCUM code; empty for none.
    pub unit: String,
    /// Clients may write it.
    pub writable: bool,
}

/// Who may come in, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Without any security as well: for a demo on loopback.
    pub open: bool,
    /// The only user; anybody may come in when there is none.
    pub user: Option<(String, String)>,
}

/// A method: arguments in, results out.
pub type Method = Box<dyn Fn(&[Value]) -> Result<Vec<Value>, String> + Send + Sync>;

/// A simulated server that runs.
#[derive(Clone)]
pub struct Plant {
    handle: ServerHandle,
    nodes: Arc<SimpleNodeManager>,
    namespace: u16,
    clock: Clock,
    url: String,
}

/// Serves `nodes` at a listener. The future runs until it is dropped, which closes every connection.
///
/// # Errors
/// No folder for keys can be made, or the listener is broken.
pub fn simulate(
    listener: TcpListener,
    nodes: &[Node],
    access: &Access,
    clock: Clock,
) -> io::Result<(Plant, impl Future<Output = io::Error> + Send + use<>)> {
    let address = listener.local_addr()?;
    let folder = Folder::new(address.port())?;
    let builder = builder(&folder.0, access).host(address.ip().to_string()).port(address.port());
    let (server, handle) = builder.build().map_err(io::Error::other)?;
    let managers = handle.node_managers();
    let missing = || io::Error::other("the simulated server has lost its nodes");
    let standard = managers.get_by_name::<SimpleNodeManager>("standard").ok_or_else(missing)?;
    let own = managers.get_by_name::<SimpleNodeManager>("plant").ok_or_else(missing)?;
    let namespace = handle.get_namespace_index(NAMESPACE).ok_or_else(missing)?;
    types_of_standard(&handle);
    standard_nodes(&standard, &clock);
    plant_nodes(&mut own.address_space().write(), namespace, nodes, &clock);
    let plant =
        Plant { handle: handle.clone(), nodes: own, namespace, clock, url: format!("opc.tcp://{address}/") };
    let running = async move {
        let _kept_while_running = (Stop(handle), folder);
        match server.run_with(listener).await {
            Ok(()) => io::ErrorKind::Interrupted.into(),
            Err(reason) => io::Error::other(reason),
        }
    };
    Ok((plant, running))
}

impl Plant {
    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets a value as of now; of another type than the node's it is left out.
    pub fn set(&self, name: &str, value: &Value) {
        let id = NodeId::new(self.namespace, name);
        let Some(variant) = scalar_of(value) else { return };
        let data = DataValue::new_at(variant, value::date_time(self.clock.now()));
        let subscriptions = self.handle.subscriptions();
        // A name that is not there has nobody who reads it.
        let _unknown = self.nodes.set_value(subscriptions, &id, None, data);
    }

    /// The value now, whoever set it.
    pub fn get(&self, name: &str) -> Option<Value> {
        let space = self.nodes.address_space().read();
        let node = space.find(&NodeId::new(self.namespace, name))?;
        let data = node.as_node().get_attribute(
            TimestampsToReturn::Both,
            AttributeId::Value,
            &NumericRange::None,
            &DataEncoding::Binary,
        )?;
        value::native(data.value.as_ref()?)
    }

    /// Adds a method below Objects: `i=85 -> nsu=urn:sinew:sim;s=<name>()`.
    pub fn add_method(
        &self,
        name: &str,
        inputs: &[(&str, ValueType)],
        outputs: &[(&str, ValueType)],
        method: Method,
    ) {
        let id = NodeId::new(self.namespace, name);
        let arguments = |list: &[(&str, ValueType)]| -> Vec<Argument> {
            let argument = |(name, of): &(&str, ValueType)| Argument {
                name: (*name).into(),
                data_type: data_type(*of).into(),
                value_rank: -1,
                ..Argument::default()
            };
            list.iter().map(argument).collect()
        };
        let (ins, outs) = (arguments(inputs), arguments(outputs));
        let [of_ins, of_outs] =
            ["in", "out"].map(|part| NodeId::new(self.namespace, format!("{name}.{part}")));
        let mut space = self.nodes.address_space().write();
        MethodBuilder::new(&id, QualifiedName::new(self.namespace, name), name)
            .component_of(NodeId::objects_folder_id())
            .executable(true)
            .user_executable(true)
            .input_args(&mut *space, &of_ins, &ins)
            .output_args(&mut *space, &of_outs, &outs)
            .insert(&mut *space);
        drop(space);
        self.nodes.inner().add_method_callback(id, move |given| {
            let given: Option<Vec<Value>> = given.iter().map(value::native).collect();
            let results = method(&given.ok_or(StatusCode::BadInvalidArgument)?);
            let results = results.map_err(|_| StatusCode::BadInvalidArgument)?;
            results
                .iter()
                .map(scalar_of)
                .collect::<Option<Vec<Variant>>>()
                .ok_or(StatusCode::BadInternalError)
        });
    }
}

/// Ends the server's own tasks with its future.
struct Stop(ServerHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A folder of its own for key and certificates, gone with the server: the crate's server knows no other place for them.
struct Folder(PathBuf);

impl Folder {
    fn new(port: u16) -> io::Result<Folder> {
        let folder = std::env::temp_dir().join(format!("sinew-opcua-sim-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the folder for temporary files is cleared by the system.
        let _kept = std::fs::remove_dir_all(&self.0);
    }
}

#[allow(
    deprecated,
    reason = "the crate would rather see Basic256Sha256 gone; it is what nearly every client starts with"
)]
fn builder(folder: &Path, access: &Access) -> ServerBuilder {
    let user = access.user.as_ref().map_or(ANONYMOUS_USER_TOKEN_ID, |_| "user").to_string();
    let users = [user];
    let mut builder = ServerBuilder::new()
        .application_name("Sinew simulator")
        .application_uri("urn:sinew:simulator")
        .product_uri("urn:sinew:simulator")
        .pki_dir(folder)
        .certificate_path("own/cert.der")
        .private_key_path("private/private.pem")
        // A key takes a while to make, and an open server needs none.
        .create_sample_keypair(!access.open)
        .trust_client_certs(true)
        .subscription_poll_interval_ms(TICK_MS)
        .discovery_urls(vec!["/".into()])
        .with_node_manager(simple_node_manager(namespace(STANDARD), "standard"))
        .with_node_manager(simple_node_manager(namespace(NAMESPACE), "plant"));
    if access.open {
        builder = builder.add_endpoint("none", ServerEndpoint::new_none("/", &users));
    } else {
        builder = builder
            .add_endpoint("sign", ServerEndpoint::new_basic256sha256_sign("/", &users))
            .add_endpoint("encrypt", ServerEndpoint::new_basic256sha256_sign_encrypt("/", &users))
            .add_endpoint("encrypt_pss", ServerEndpoint::new_aes256_sha256_rsapss_sign_encrypt("/", &users));
    }
    if let Some((name, password)) = &access.user {
        builder =
            builder.add_user_token("user", ServerUserToken::user_pass(name.as_str(), password.as_str()));
    }
    let limits = builder.limits_mut();
    limits.subscriptions.min_publishing_interval_ms = TICK_MS as f64;
    limits.operational.max_nodes_per_read = OPERATIONS_MAX as usize;
    limits.operational.max_monitored_items_per_call = OPERATIONS_MAX as usize;
    builder
}

fn namespace(uri: &str) -> NamespaceMetadata {
    NamespaceMetadata { namespace_uri: uri.into(), ..NamespaceMetadata::default() }
}

/// The references and data types that browsing and writing need to know of.
fn types_of_standard(handle: &ServerHandle) {
    let mut tree = handle.type_tree().write();
    use ReferenceTypeId as R;
    for (id, parent) in [
        (R::HierarchicalReferences, R::References),
        (R::HasChild, R::HierarchicalReferences),
        (R::Organizes, R::HierarchicalReferences),
        (R::Aggregates, R::HasChild),
        (R::HasComponent, R::Aggregates),
        (R::HasProperty, R::Aggregates),
        (R::HasSubtype, R::HasChild),
    ] {
        tree.add_type_node(&id.into(), &parent.into(), NodeClass::ReferenceType);
    }
    // Built-in types, OPC 10000-6, 5.1.2.
    for id in 1..=25u32 {
        tree.add_type_node(&NodeId::new(0, id), &DataTypeId::BaseDataType.into(), NodeClass::DataType);
    }
}

/// Objects, the server's state and time, its namespaces and limits.
fn standard_nodes(manager: &SimpleNodeManager, clock: &Clock) {
    let mut space = manager.address_space().write();
    let objects = NodeId::objects_folder_id();
    space.add_folder(&objects, "Objects", "Objects", &NodeId::root_folder_id());
    let server = NodeId::from(ObjectId::Server);
    space.add_folder(&server, "Server", "Server", &objects);
    for (id, name, value) in [
        (VariableId::Server_ServerStatus_State, "State", Variant::Int32(0)),
        (
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            "MaxNodesPerRead",
            Variant::UInt32(OPERATIONS_MAX),
        ),
        (
            VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            "MaxMonitoredItemsPerCall",
            Variant::UInt32(OPERATIONS_MAX),
        ),
    ] {
        VariableBuilder::new(&id.into(), name, name)
            .data_type(value.scalar_type_id().map_or(NodeId::null(), |of| NodeId::new(0, of as u32)))
            .value(value)
            .component_of(server.clone())
            .insert(&mut *space);
    }
    VariableBuilder::new(&VariableId::Server_ServerStatus_CurrentTime.into(), "CurrentTime", "CurrentTime")
        .data_type(DataTypeId::UtcTime)
        .component_of(server.clone())
        .insert(&mut *space);
    let named = Array::new(VariantScalarTypeId::String, [STANDARD, NAMESPACE].map(Variant::from).to_vec());
    VariableBuilder::new(&VariableId::Server_NamespaceArray.into(), "NamespaceArray", "NamespaceArray")
        .data_type(DataTypeId::String)
        .value_rank(1)
        .value(named.map_or(Variant::Empty, |array| Variant::Array(Box::new(array))))
        .component_of(server)
        .insert(&mut *space);
    drop(space);
    let clock = clock.clone();
    let now = move |_: &NumericRange, _, _| {
        let now = value::date_time(clock.now());
        Ok(DataValue::new_at(Variant::DateTime(Box::new(now)), now))
    };
    manager.inner().add_read_callback(VariableId::Server_ServerStatus_CurrentTime.into(), now);
}

fn plant_nodes(space: &mut AddressSpace, namespace: u16, nodes: &[Node], clock: &Clock) {
    let now = value::date_time(clock.now());
    for node in nodes {
        let Some(variant) = scalar_of(&node.value) else { continue };
        let mut parent = NodeId::objects_folder_id();
        let mut path = String::new();
        let (folders, name) = node.name.rsplit_once('/').unwrap_or(("", &node.name));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(folder);
            let id = NodeId::new(namespace, path.as_str());
            if !space.node_exists(&id) {
                space.add_folder(&id, QualifiedName::new(namespace, folder), folder, &parent);
            }
            parent = id;
        }
        let id = NodeId::new(namespace, node.name.as_str());
        let builder = VariableBuilder::new(&id, QualifiedName::new(namespace, name), name)
            .data_type(data_type(node.value.value_type()))
            .description(node.unit.as_str())
            .value(variant.clone())
            .component_of(parent);
        let builder = if node.writable { builder.writable() } else { builder };
        builder.insert(space);
        if let Some(NodeType::Variable(variable)) = space.find_mut(&id) {
            variable.set_data_value(DataValue::new_at(variant, now));
        }
    }
}

fn data_type(of: ValueType) -> DataTypeId {
    match of {
        ValueType::Bool => DataTypeId::Boolean,
        ValueType::I64 => DataTypeId::Int64,
        ValueType::U64 => DataTypeId::UInt64,
        ValueType::F32 => DataTypeId::Float,
        ValueType::F64 => DataTypeId::Double,
        ValueType::String => DataTypeId::String,
        ValueType::Bytes => DataTypeId::ByteString,
    }
}
