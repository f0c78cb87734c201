"""A device written with the ThingsBoard Python client, unmodified: it is only told another host, port and token.

Prints one JSON object a line for everything it sees. Ends when its input is closed.
"""

import argparse
import json
import sys
import threading
import time

from tb_device_mqtt import TBDeviceMqttClient


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--token", required=True)
    given = arguments.parse_args()

    client = TBDeviceMqttClient(given.host, given.port, username=given.token)

    def on_attributes(content, _failure):
        say(saw="shared", content=content)
        client.send_attributes(content)

    def on_call(request_id, content):
        say(saw="call", content=content)
        if content["method"] == "fail":
            client.send_rpc_reply(request_id, {"error": "not today"})
        elif content["method"] != "silent":
            client.send_rpc_reply(request_id, {"value": content["params"]})

    client.set_server_side_rpc_request_handler(on_call)
    # Its own callback comes after its subscriptions; `is_connected` is true before them.
    ready = threading.Event()
    client.connect(callback=lambda *_what: ready.set())
    say(saw="connected", yes=ready.wait(timeout=15))
    client.subscribe_to_all_attributes(on_attributes)
    client.send_attributes({"mode": "auto", "limit": 5.0})

    client.send_rpc_call("getCurrentTime", {}, lambda _id, content, _failure: say(saw="time", content=content))
    client.send_rpc_call("sing", {}, lambda _id, content, _failure: say(saw="refusal", content=content))

    def publish():
        n = 0
        while True:
            n += 1
            now = int(time.time() * 1000)
            client.send_telemetry({"temperature": 21.5, "running": True, "count": 2**53 + n})
            client.send_telemetry({"ts": now, "values": {"stamped": n}})
            client.send_telemetry([{"ts": now - 1, "values": {"listed": 1}}, {"ts": now, "values": {"listed": 2}}])
            if n == 3:
                client.request_attributes(
                    ["mode"], ["limit"], lambda content, _failure: say(saw="attributes", content=content)
                )
            time.sleep(0.1)

    threading.Thread(target=publish, daemon=True).start()
    sys.stdin.read()


main()
