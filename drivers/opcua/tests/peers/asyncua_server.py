"""An OPC UA server made of asyncua: one small plant, every security policy that is still allowed, three kinds of users.

Prints one line of JSON when it listens, then serves until it is killed:
  {"port": 4840, "url": "opc.tcp://127.0.0.1:4840/plant", "namespace": "urn:peer:plant"}
Options bend what a server may get wrong: --certificate=expired|early|wrong-uri, --no-history, --no-none, --nodes=N.
"""

import argparse
import asyncio
import datetime
import hashlib
import ipaddress
import json
import logging
import socket
import tempfile
from pathlib import Path

from asyncua import Server, ua, uamethod
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMESPACE = "urn:peer:plant"
URI = "urn:peer:asyncua"
POLICIES = [
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


def make_certificate(folder: Path, kind: str) -> tuple[Path, Path]:
    """A self-signed application certificate, kept so that a restart shows the same one."""
    cert_path, key_path = folder / f"{kind}.der", folder / f"{kind}.pem"
    if cert_path.exists() and key_path.exists():
        return cert_path, key_path
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = now - datetime.timedelta(days=2), now + datetime.timedelta(days=365)
    if kind == "expired":
        end = now - datetime.timedelta(days=1)
    if kind == "early":
        start = now + datetime.timedelta(days=1)
    uri = "urn:somebody:else" if kind == "wrong-uri" else URI
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asyncua peer")])
    alternative = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
    alternative.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    usage = x509.KeyUsage(True, True, True, True, False, True, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.write_bytes(pem)
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    return cert_path, key_path


class Users:
    """operator with password secret; anybody unnamed."""

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if username is not None and (username, password) != ("operator", "secret"):
            return None
        return User(role=UserRole.User)


def trust_one_user(server: Server, thumbprint: str | None):
    """Of user certificates, only the one with this SHA-256."""
    verify = server.iserver.verify_x509_token

    def checked(session, token, signature):
        der = verify(session, token, signature)
        if hashlib.sha256(token.CertificateData).hexdigest() != thumbprint:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return der

    server.iserver.verify_x509_token = checked


@uamethod
def add(parent, a, b):
    return a + b


async def build(server: Server, index: int, count: int):
    """The plant; returns what changes by itself and what has history."""
    plant = await server.nodes.objects.add_folder(ua.NodeId("Plant", index), ua.QualifiedName("Plant", index))

    async def put(name, value, kind, writable=True):
        node = await plant.add_variable(ua.NodeId(name, index), ua.QualifiedName(name, index), value, kind)
        if writable:
            await node.set_writable()
        return node

    await put("bool", True, ua.VariantType.Boolean)
    await put("int16", -7, ua.VariantType.Int16)
    await put("uint16", 65535, ua.VariantType.UInt16)
    await put("int32", -70000, ua.VariantType.Int32)
    await put("int64", -(2**63), ua.VariantType.Int64)
    await put("uint64", 2**64 - 1, ua.VariantType.UInt64)
    await put("float", 21.5, ua.VariantType.Float)
    await put("double", 0.1, ua.VariantType.Double)
    await put("string", "3 号泵", ua.VariantType.String)
    await put("bytes", b"\x00\xff", ua.VariantType.ByteString)
    await put("time", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), ua.VariantType.DateTime)
    await put("array", [1, 2, 3, 4], ua.VariantType.Int32)
    await put("readonly", 5, ua.VariantType.Int32, writable=False)
    counter = await put("counter", 0, ua.VariantType.UInt32)
    await plant.add_method(
        ua.NodeId("add", index), ua.QualifiedName("add", index), add,
        [ua.VariantType.Double, ua.VariantType.Double], [ua.VariantType.Double],
    )
    if count:
        many = await plant.add_folder(ua.NodeId("Many", index), ua.QualifiedName("Many", index))
        for i in range(count):
            await many.add_variable(ua.NodeId(f"many{i}", index), ua.QualifiedName(f"many{i}", index), float(i))
    return counter


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", default="good")
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "sinew-peer-asyncua"))
    parser.add_argument("--user-certificate")
    parser.add_argument("--no-none", action="store_true")
    parser.add_argument("--no-history", action="store_true")
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--counter-ms", type=int, default=100)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    port = options.port
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(user_manager=Users())
    await server.init()
    trust_one_user(server, options.user_certificate)
    await server.set_application_uri(URI)
    url = f"opc.tcp://127.0.0.1:{port}/plant"
    server.set_endpoint(url)
    cert, key = make_certificate(folder, options.certificate)
    await server.load_certificate(cert)
    await server.load_private_key(key)
    none = [] if options.no_none else [ua.SecurityPolicyType.NoSecurity]
    server.set_security_policy(none + POLICIES)
    server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken])
    index = await server.register_namespace(NAMESPACE)
    counter = await build(server, index, options.nodes)
    async with server:
        if not options.no_history:
            await server.historize_node_data_change(counter, period=None, count=10000)
        print(json.dumps({"port": port, "url": url, "namespace": NAMESPACE}), flush=True)
        value = 0
        while True:
            await asyncio.sleep(options.counter_ms / 1000)
            value += 1
            await counter.write_value(value, ua.VariantType.UInt32)


asyncio.run(main())
