"""A device written with Eclipse Paho: publishes one JSON object on a topic and takes new values on the topic with /set.

Prints one JSON object a line for everything it sees. Ends when its input is closed.
"""

import argparse
import json
import sys
import threading
import time

import paho.mqtt.client as mqtt


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--version", choices=["3.1.1", "5"], required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--username")
    arguments.add_argument("--password")
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--qos", type=int, default=1)
    arguments.add_argument("--period-s", type=float, default=0.05)
    given = arguments.parse_args()

    state = {"temperature": 21.5, "count": 2**64 - 1, "running": True, "recipe": "steel 42"}
    version = mqtt.MQTTv5 if given.version == "5" else mqtt.MQTTv311
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=given.client_id, protocol=version)
    client.username_pw_set(given.username, given.password)
    client.reconnect_delay_set(0.1, 0.5)

    def on_connect(_client, _data, _flags, reason, _properties):
        say(saw="connected", reason=str(reason))
        client.subscribe(given.topic + "/set", qos=given.qos)

    def on_subscribe(_client, _data, _id, reasons, _properties):
        say(saw="subscribed", reasons=[str(reason) for reason in reasons])

    def on_message(_client, _data, message):
        say(saw="set", content=message.payload.decode())
        state.update(json.loads(message.payload))

    def publish():
        while True:
            client.publish(given.topic, json.dumps(state), qos=given.qos)
            time.sleep(given.period_s)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect_async(given.host, given.port, keepalive=5)
    client.loop_start()
    threading.Thread(target=publish, daemon=True).start()
    sys.stdin.read()


main()
