"""Runs the Eclipse Paho conformance suites (client_test.py for MQTT 3.1.1, client_test5.py for MQTT 5) against a broker.

    paho_suite.py --suites FOLDER --name NAME --out FILE.json --broker COMMAND [--setting TEXT]... [--only TEST]

FOLDER is `interoperability` of https://github.com/eclipse/paho.mqtt.testing. `{port}` in COMMAND is replaced by a free port.
Every suite gets a fresh broker, every test a process of its own with a limit: shared brokers and processes were seen to
spoil each other's results. The exit status is 0 when every test passed.
"""

import argparse
import ast
import concurrent.futures
import datetime
import json
import pathlib
import platform
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMIT_S = 90
SUITES = {"client_test.py": "3.1.1", "client_test5.py": "5"}

# Sets what the suites only set when they are run as a program, where they also trip over their own arguments.
ONE_TEST = """
import importlib, sys, unittest
suite = importlib.import_module(sys.argv[1])
suite.host, suite.port = "127.0.0.1", int(sys.argv[2])
suite.topic_prefix = ""
suite.topics = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
suite.wildtopics = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
suite.nosubscribe_topics = ("test/nosubscribe",)
unittest.main(module=suite, argv=[sys.argv[1], "Test." + sys.argv[3]], verbosity=2)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tests_of(file):
    tree = ast.parse(file.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Test"]
    return [n.name for n in classes[0].body if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]


def wait_until_it_listens(port, broker):
    for _ in range(100):
        if broker.poll() is not None:
            sys.exit(f"the broker ended with {broker.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("the broker does not listen")


def run_test(folder, module, port, test):
    start = time.monotonic()
    command = [sys.executable, "-c", ONE_TEST, module, str(port), test]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
        result, said = ("pass" if done.returncode == 0 else "fail"), done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        result, said = "timeout", str(late.stderr or "")
    row = {"name": test, "result": result, "seconds": round(time.monotonic() - start, 1)}
    if result == "pass" and "Traceback" in said:
        # Some tests swallow their own assertions.
        row["result"] = "fail"
        row["swallowed"] = True
    if row["result"] != "pass":
        lines = [line for line in said.strip().splitlines() if line.strip()]
        row["last_lines"] = [line for line in lines if "Error" in line or "assert" in line][-3:]
    return row


def run_suite(arguments, file):
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in shlex.split(arguments.broker)]
    with tempfile.TemporaryDirectory() as folder:
        broker = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_it_listens(port, broker)
            path = pathlib.Path(arguments.suites) / file
            tests = [t for t in tests_of(path) if arguments.only in (None, t)]
            rows = []
            for test in tests:
                rows.append(run_test(arguments.suites, path.stem, port, test))
                print(file, rows[-1], flush=True)
        finally:
            broker.send_signal(signal.SIGTERM)
            broker.wait(10)
    passed = sum(row["result"] == "pass" for row in rows)
    return {"suite": file, "mqtt": SUITES[file], "passed": passed, "tests": len(rows), "rows": rows}


def main():
    parser = argparse.ArgumentParser()
    for name in ("suites", "name", "out", "broker"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--setting", action="append", default=[])
    parser.add_argument("--only")
    arguments = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        suites = list(pool.map(lambda file: run_suite(arguments, file), SUITES))
    report = {
        "name": arguments.name,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "suite_commit": "9d7bb80",
        "python": platform.python_version(),
        "limit_s": LIMIT_S,
        "settings": arguments.setting,
        "suites": suites,
    }
    pathlib.Path(arguments.out).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print({suite["suite"]: f"{suite['passed']}/{suite['tests']}" for suite in suites})
    sys.exit(0 if all(suite["passed"] == suite["tests"] for suite in suites) else 1)


if __name__ == "__main__":
    main()
