// An OPC UA server made of node-opcua: the same small plant as asyncua_server.py, every security policy that is still
// allowed, three kinds of users.
//
// Prints one line of JSON when it listens, then serves until it is killed:
//   {"port": 4840, "url": "opc.tcp://127.0.0.1:4840/plant", "namespace": "urn:peer:plant"}
"use strict";

// The library warns on the console; the one line that a test reads goes to the real output.
console.log = console.warn = console.error;

const fs = require("fs");
const net = require("net");
const os = require("os");
const path = require("path");
const opcua = require("node-opcua");
const { DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant } = opcua;

const NAMESPACE = "urn:peer:plant";
const URI = "urn:peer:node-opcua";

function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

function freePort() {
  return new Promise((found) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

function build(server, count) {
  const space = server.engine.addressSpace;
  const own = space.registerNamespace(NAMESPACE);
  const plant = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Plant", nodeId: "s=Plant" });
  const put = (name, dataType, value, more = {}) =>
    own.addVariable({
      componentOf: plant,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      value: { dataType, value, ...(more.value || {}) },
      ...(more.node || {}),
    });
  put("bool", DataType.Boolean, true);
  put("int16", DataType.Int16, -7);
  put("uint16", DataType.UInt16, 65535);
  put("int32", DataType.Int32, -70000);
  // 64 bits as [high, low].
  const scalar = { value: { arrayType: opcua.VariantArrayType.Scalar } };
  put("int64", DataType.Int64, [0x80000000, 0], scalar);
  put("uint64", DataType.UInt64, [0xffffffff, 0xffffffff], scalar);
  put("float", DataType.Float, 21.5);
  put("double", DataType.Double, 0.1);
  put("string", DataType.String, "3 号泵");
  put("bytes", DataType.ByteString, Buffer.from([0, 255]));
  put("time", DataType.DateTime, new Date("2026-01-02T03:04:05Z"));
  put("array", DataType.Int32, Int32Array.from([1, 2, 3, 4]), {
    value: { arrayType: opcua.VariantArrayType.Array },
    node: { valueRank: 1, arrayDimensions: [4] },
  });
  put("readonly", DataType.Int32, 5, { node: { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" } });
  const counter = put("counter", DataType.UInt32, 0);
  own.addAnalogDataItem({
    componentOf: plant,
    browseName: "level",
    nodeId: "s=level",
    dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 100 },
    engineeringUnits: opcua.standardUnits.percent,
    value: { dataType: DataType.Double, value: 42 },
  });
  const method = own.addMethod(plant, {
    browseName: "add",
    nodeId: "s=add",
    inputArguments: ["a", "b"].map((name) => ({ name, dataType: DataType.Double })),
    outputArguments: [{ name: "sum", dataType: DataType.Double }],
  });
  method.bindMethod((given, context, done) => {
    const value = given[0].value + given[1].value;
    done(null, { statusCode: StatusCodes.Good, outputArguments: [new Variant({ dataType: DataType.Double, value })] });
  });
  if (count > 0) {
    const many = own.addFolder(space.rootFolder.objects, { browseName: "Many", nodeId: "s=Many" });
    for (let i = 0; i < count; i++) {
      own.addVariable({
        componentOf: many,
        browseName: `many${i}`,
        nodeId: `s=many${i}`,
        dataType: DataType.Double,
        value: { dataType: DataType.Double, value: i },
      });
    }
  }
  return counter;
}

async function main() {
  const port = Number(option("port", "0")) || (await freePort());
  const root = option("folder", path.join(os.tmpdir(), "sinew-peer-node-opcua"));
  fs.mkdirSync(root, { recursive: true });
  const serverCertificateManager = new OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: true,
    rootFolder: path.join(root, "pki"),
  });
  const userCertificateManager = new OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: false,
    rootFolder: path.join(root, `users-${port}`),
  });
  await serverCertificateManager.initialize();
  await userCertificateManager.initialize();
  const user = option("user-certificate-file");
  if (user) {
    await userCertificateManager.trustCertificate(fs.readFileSync(user));
  }
  const certificateFile = path.join(root, "certificate.pem");
  if (!fs.existsSync(certificateFile)) {
    await serverCertificateManager.createSelfSignedCertificate({
      applicationUri: URI,
      dns: ["localhost"],
      ip: ["127.0.0.1"],
      outputFile: certificateFile,
      startDate: new Date(),
      subject: "/CN=node-opcua peer",
      validity: 365,
    });
  }
  const server = new OPCUAServer({
    port,
    hostname: "127.0.0.1",
    resourcePath: "/plant",
    serverCertificateManager,
    userCertificateManager,
    certificateFile,
    privateKeyFile: serverCertificateManager.privateKey,
    serverInfo: { applicationUri: URI, productUri: "urn:peer:product" },
    securityPolicies: [
      SecurityPolicy.None,
      SecurityPolicy.Basic256Sha256,
      SecurityPolicy.Aes128_Sha256_RsaOaep,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    userManager: { isValidUser: (name, password) => name === "operator" && password === "secret" },
    maxConnectionsPerEndpoint: 100,
    serverCapabilities: { maxSessions: 200 },
  });
  await server.initialize();
  const counter = build(server, Number(option("nodes", "0")));
  await server.start();
  const known = { port, url: `opc.tcp://127.0.0.1:${port}/plant`, namespace: NAMESPACE };
  process.stdout.write(`${JSON.stringify(known)}\n`);
  let value = 0;
  setInterval(() => counter.setValueFromSource({ dataType: DataType.UInt32, value: ++value }), Number(option("counter-ms", "100")));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
