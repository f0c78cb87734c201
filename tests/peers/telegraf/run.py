"""Lets the real Telegraf write into a node and kills the node meanwhile; then every value must be there.

    run.py --sinew target/release/sinew [--seconds 600] [--kills 2] [--down 15] [--late 5] [--telegraf FILE] [--folder DIR]

Telegraf is built from go.mod on first use, into $XDG_CACHE_HOME/sinew/peers/telegraf: three minutes of one core, 300 MB.
The node starts `--late` seconds after Telegraf. It is killed (SIGKILL) `--kills` times, evenly over the run, and is away for
`--down` seconds each time. Telegraf is stopped with SIGTERM, then compare.py compares. One line of JSON comes out; the exit
status is 0 when nothing is missing, different or more, and Telegraf says that it dropped nothing.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
import compare  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "github.com/influxdata/telegraf/cmd/telegraf"
INPUTS = "cpu disk diskio exec internal kernel mem mock net processes swap system"
TAGS = [
    "custom", *(f"inputs.{name}" for name in INPUTS.split()),
    "outputs.file", "outputs.influxdb", "outputs.influxdb_v2", "parsers.influx", "serializers.influx",
]
PASSWORD = "telegraf writes 4 ever"
READY_S = 60
# The exit status that says so.
NOT_BUILT = 3
# When it is told to stop, Telegraf sends what it holds.
STOP_S = 60
SHOWN_MAX = 40


def built():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sinew/peers/telegraf"
    pinned = "".join((HERE / name).read_text() for name in ("go.mod", "go.sum")) + ",".join(TAGS)
    program, stamp = cache / "bin/telegraf", cache / "built.txt"
    if program.exists() and stamp.exists() and stamp.read_text() == pinned:
        return program
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / name, cache / name)
    print("building telegraf: this takes minutes, once", file=sys.stderr)
    build = ["nice", "-n", "19", "go", "build", "-p", "1", "-mod=readonly", "-trimpath", "-tags", ",".join(TAGS)]
    if subprocess.run([*build, "-o", program, PACKAGE], cwd=cache).returncode:
        print("telegraf could not be built: install Go 1.26 and connect to its module proxy once", file=sys.stderr)
        sys.exit(NOT_BUILT)
    stamp.write_text(pinned)
    return program


def place(path):
    return pathlib.Path(path).resolve()


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class Node:
    """A node that keeps its folder and its port from start to start."""

    def __init__(self, program, folder, port):
        self.program, self.folder, self.url = program, folder, f"http://127.0.0.1:{port}"
        self.environment = {**os.environ, "SINEW_SERVER_LISTEN": f"127.0.0.1:{port}", "SINEW_STORAGE_DIR": str(folder / "data")}
        self.child, self.session = None, None

    def start(self):
        with open(self.folder / "node.log", "ab") as log:
            said_before = log.tell()
            self.child = subprocess.Popen([self.program, "serve"], env=self.environment, stdout=log, stderr=log)
        # Its own word, since another program may answer at this port.
        self.said(f"is at ({re.escape(self.url)})", said_before)

    def said(self, what, begin=0):
        """The first group of what the node says, once it says it."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            is_running = self.child.poll() is None
            found = re.search(what, (self.folder / "node.log").read_bytes()[begin:].decode(errors="replace"))
            if found:
                return found[1]
            if not is_running:
                break
            time.sleep(0.05)
        sys.exit(f"the node does not say `{what}`: see {self.folder}/node.log")

    def stop(self, how):
        if self.child and self.child.poll() is None:
            self.child.send_signal(how)
            self.child.wait()

    def post(self, path, body, token=None):
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def token(self, role):
        """The first makes the organisation and its administrator."""
        if not self.session:
            code = self.said(r"setup code (\S+)\n")
            made = self.post("/setup", {"code": code, "organisation": "Works One", "name": "ada", "password": PASSWORD})
            self.session = made["token"]
        return self.post("/tokens", {"name": f"telegraf {role}", "role": role}, self.session)["token"]


def telegraf(program, folder, url, token):
    environment = {**os.environ, "SINEW_URL": url, "SINEW_TOKEN": token, "FOLDER": str(folder), "HERE": str(HERE)}
    with open(folder / "telegraf.out", "ab") as out:
        return subprocess.Popen([program, "--config", HERE / "telegraf.conf"], env=environment, stdout=out, stderr=out)


def said(folder):
    """How often Telegraf warned or complained, by what it said."""
    times = collections.Counter()
    for name in ("telegraf.log", "telegraf.out"):
        for line in (folder / name).read_text(errors="replace").splitlines() if (folder / name).exists() else []:
            found = re.match(r"\S+ ([WE])! (.*)", line)
            if found:
                times[f"{found[1]}! " + re.sub(r"127\.0\.0\.1:\d+", "…", found[2])] += 1
    return times


def dropped(record):
    """What Telegraf counted as thrown away, by output."""
    lost = {}
    for measurement, tags, fields, _ in record:
        if measurement == "internal_write":
            alias = dict(tags)["alias"]
            for name, _, value in fields:
                if name in ("metrics_dropped", "metrics_rejected"):
                    lost[f"{alias}.{name}"] = value
    return {name: value for name, value in lost.items() if value}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sinew", required=True, type=place)
    arguments.add_argument("--telegraf", type=place, help="instead of the one that go.mod pins")
    arguments.add_argument("--folder", type=place, help="kept; otherwise one that is removed when all is well")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--kills", type=int, default=2)
    arguments.add_argument("--down", type=float, default=15, help="seconds")
    arguments.add_argument("--late", type=float, default=5, help="seconds")
    asked = arguments.parse_args()
    program = asked.telegraf or built()
    folder = asked.folder or pathlib.Path(tempfile.mkdtemp(prefix="sinew-telegraf-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty")
    node = Node(asked.sinew, folder, asked.port or free_port())
    writer, starts = None, []
    try:
        node.start()
        token, reader = node.token("engineer"), node.token("viewer")
        if asked.late:
            node.stop(signal.SIGTERM)
        begun = time.monotonic()
        writer = telegraf(program, folder, node.url, token)

        def up():
            before = time.monotonic()
            node.start()
            starts.append(round(time.monotonic() - before, 2))

        def wait_until(after):
            while (rest := begun + after - time.monotonic()) > 0:
                if writer.poll() is not None:
                    sys.exit(f"telegraf ended by itself: see {folder}/telegraf.log and telegraf.out")
                time.sleep(min(rest, 0.5))

        if asked.late:
            wait_until(asked.late)
            up()
        for kill in range(asked.kills):
            # Not always at the same place between two flushes.
            at = asked.seconds * (kill + 1) / (asked.kills + 1) + kill * 0.37 % 1
            wait_until(at)
            node.stop(signal.SIGKILL)
            wait_until(at + asked.down)
            up()
        wait_until(asked.seconds)
        writer.terminate()
        writer.wait(STOP_S)

        record = compare.Record()
        texts = [(folder / name).read_bytes().decode() for name in ("v1.lines", "v2.lines")]
        for text in texts:
            record.take(text)
        found, wrong = compare.compare(record, compare.Node(f"{node.url}/api/v1", reader))
        lost = dropped(compare.lines(texts[1]))
    finally:
        if writer and writer.poll() is None:
            writer.kill()
            writer.wait()
        node.stop(signal.SIGTERM)
    for fault in wrong[: compare.SHOWN_MAX]:
        print(json.dumps(fault, ensure_ascii=False), file=sys.stderr)
    for line, times in said(folder).most_common(SHOWN_MAX):
        print(f"{times:6} {line}", file=sys.stderr)
    is_well = found["lines"] and not found["missing"] + found["different"] + found["more"] and not lost
    print(json.dumps({"seconds": asked.seconds, "kills": asked.kills, "starts_s": starts, **found, "dropped": lost}))
    if is_well and not asked.folder:
        shutil.rmtree(folder)
    sys.exit(0 if is_well else f"see {folder}")


if __name__ == "__main__":
    main()
