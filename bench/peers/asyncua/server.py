"""An OPC UA server with so many Double variables, ns=2;i=1 upwards, whose value is half of their number."""

import argparse
import asyncio

from asyncua import Server, ua


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--nodes", type=int, required=True)
    wanted = parser.parse_args()
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{wanted.port}/bench")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:bench")
    folder = await server.nodes.objects.add_folder(ua.NodeId("bench", space), "bench")
    for number in range(1, wanted.nodes + 1):
        await folder.add_variable(ua.NodeId(number, space), f"node-{number}", number * 0.5, ua.VariantType.Double)
    async with server:
        print("ready", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
