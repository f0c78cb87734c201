"""Reads the variables in turns of `--per-read`: says `ready`, waits for a line, reads, says how many values and their sum."""

import argparse
import asyncio
import json
import sys

from asyncua import Client, ua


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--per-read", type=int, required=True)
    parser.add_argument("--reads", type=int, required=True)
    wanted = parser.parse_args()
    async with Client(wanted.url, timeout=30) as client:
        nodes = [client.get_node(ua.NodeId(number, 2)) for number in range(1, wanted.nodes + 1)]
        turns = [nodes[at : at + wanted.per_read] for at in range(0, wanted.nodes, wanted.per_read)]
        for turn in turns:
            await client.read_values(turn)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        count, total = 0, 0.0
        for n in range(wanted.reads):
            values = await client.read_values(turns[n % len(turns)])
            count += len(values)
            total += sum(values)
        print(json.dumps({"values": count, "sum": total}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
