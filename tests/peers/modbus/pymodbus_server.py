"""A Modbus TCP device made of pymodbus: known physical values, low word first, with holes that answer exception 2.

Prints one line of JSON when it listens, then serves until it is killed:
  {"port": 1502, "unit": 1, "points": [{"address": "40001 float32 cdab", "value": 21.5, "unit": "Cel", ...}, ...],
   "holes": ["40009", ...]}
The values depend on --seed only, the addresses on --base only, so a test can ask for a map that nobody has seen.
"""

import argparse
import asyncio
import json
import random
import struct

from pymodbus import pymodbus_apply_logging_config
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# name, unit (UCUM), low, high
QUANTITIES = [
    ("temperature", "Cel", 15, 95),
    ("pressure", "bar", 0.5, 12),
    ("flow", "m3/h", 1, 400),
    ("power", "kW", 2, 250),
    ("voltage", "V", 210, 240),
    ("current", "A", 1, 300),
    ("frequency", "Hz", 49.8, 50.2),
    ("level", "%", 5, 95),
]


def words_of(pack: str, value) -> list[int]:
    """Registers of a value, low word first (CDAB)."""
    data = struct.pack(">" + pack, value)
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return words[::-1]


def cell(digit: int, start: int) -> str:
    """The register number of manuals."""
    number = start + 1
    return f"{digit}{number:04}" if number <= 9999 else f"{digit}{number:05}"


def build(base: int, seed: int):
    """The registers from `base` on, what they mean, and where nothing is."""
    rng = random.Random(seed)
    registers: dict[int, int] = {}
    points, holes = [], []
    at = base
    for name, unit, low, high in QUANTITIES:
        # What single precision holds is the value, so that a reader can compare exactly.
        value = struct.unpack(">f", struct.pack(">f", round(rng.uniform(low, high), 2)))[0]
        registers.update(zip(range(at, at + 2), words_of("f", value)))
        address = f"{cell(4, at)} float32 cdab"
        points.append({"name": name, "address": address, "value": float(f"{value:.6g}"), "unit": unit})
        at += 2
        if rng.random() < 0.4 or name == "power":
            holes.append(cell(4, at))
            at += 1
    energy = rng.randrange(1 << 33, 1 << 52)
    registers.update(zip(range(at, at + 4), words_of("Q", energy)))
    points.append({"name": "energy", "address": f"{cell(4, at)} uint64 cdab", "value": str(energy), "unit": "W.h"})
    at += 4
    speed = rng.randrange(-1500, -100)
    registers[at] = speed & 0xFFFF
    points.append({"name": "speed", "address": f"{cell(4, at)} int16", "value": str(speed), "unit": "/min"})
    at += 1
    for register in (at, at + 1):
        registers[register] = 0
    points.append({"name": "setpoint", "address": f"{cell(4, at)} float32 cdab", "value": 0.0, "unit": "Cel"})
    return registers, points, holes


def runs(registers: dict[int, int]) -> list[SimData]:
    """Neighbouring registers as blocks; whatever lies between them does not exist."""
    blocks: list[list[int]] = []
    for address in sorted(registers):
        if blocks and blocks[-1][-1] + 1 == address:
            blocks[-1].append(address)
        else:
            blocks.append([address])
    return [
        SimData(block[0], values=[registers[a] for a in block], datatype=DataType.REGISTERS) for block in blocks
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--unit", type=int, default=1)
    parser.add_argument("--base", type=int, default=0, help="first register, from 0")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    pymodbus_apply_logging_config("CRITICAL")
    registers, points, holes = build(args.base, args.seed)
    rng = random.Random(args.seed)
    bits = [bool(rng.getrandbits(1)) for _ in range(24)]
    device = SimDevice(
        args.unit,
        simdata=(
            [SimData(args.base, values=bits, datatype=DataType.BITS)],
            [SimData(args.base, values=bits[::-1], datatype=DataType.BITS)],
            runs(registers),
            runs(registers),
        ),
    )
    server = ModbusTcpServer(device, address=(args.host, args.port))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    known = {"port": port, "unit": args.unit, "points": points, "holes": holes, "coils": bits}
    print(json.dumps(known), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
