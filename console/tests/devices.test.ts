import { describe, expect, it } from "vitest";
import {
  derOf,
  fileName,
  grouped,
  inOrder,
  pemOf,
  thumbprintOf,
  validityOf,
} from "../../crates/server/ui/devices/certificate";
import { exposed, isLocal } from "../../crates/server/ui/devices/exposure";
import { channelsOf, gather, hexLines, MESSAGES_MAX, readable } from "../../crates/server/ui/devices/messages";
import type { Candidate, Certificate, Door, Stored } from "../src/api/types";

const certificate = (id: string, standing: Certificate["standing"], first: string): Stored<Certificate> => ({
  id,
  revision: 1,
  changed: first,
  body: {
    leaf: "opcua",
    standing,
    first,
    presented: {
      thumbprint: "00ff".repeat(16),
      subject: "CN=Line 1/PLC, O=Works",
      application_uri: "urn:plc",
      not_before: "2026-01-01T00:00:00Z",
      not_after: "2026-12-31T00:00:00Z",
      from: "opc.tcp://10.0.0.7:4840",
      der: "AAEC",
    },
  },
});
const one = certificate("a", "rejected", "2026-02-01T00:00:00Z").body;
const on = (day: string): string => Object.values(validityOf(one, Date.parse(`${day}T00:00:00Z`))).join(" ");

describe("certificates", () => {
  it("are compared in groups of four", () => expect(grouped("00ff12ab")).toBe("00FF 12AB"));
  it("say how long they count", () =>
    expect([on("2025-12-22"), on("2026-06-01"), on("2026-12-21"), on("2027-01-10")]).toEqual([
      "early 10",
      "valid 213",
      "soon 10",
      "expired 10",
    ]));
  it("stand in the order in which they matter", () => {
    const day = (n: number): string => `2026-02-0${n}T00:00:00Z`;
    const list = [
      certificate("t", "trusted", day(4)),
      certificate("o", "own", day(1)),
      certificate("r", "rejected", day(2)),
    ];
    expect(inOrder([...list, certificate("n", "rejected", day(3))]).map((item) => item.id)).toEqual([
      "n",
      "r",
      "o",
      "t",
    ]);
  });
  it("are handed on as files", () => {
    expect([...derOf("AAEC")]).toEqual([0, 1, 2]);
    expect(
      pemOf("A".repeat(65))
        .split("\n")
        .map((line) => line.length),
    ).toEqual([27, 64, 1, 25, 0]);
    expect(fileName(one, "pem")).toBe("Line_1.pem");
  });
  it("are named by faults of any driver", () => {
    expect(thumbprintOf([null, { code: "x.y", detail: "", args: { thumbprint: "ab" } }])).toBe("ab");
    expect(thumbprintOf([{ code: "x.y", detail: "" }, undefined])).toBeUndefined();
  });
});

describe("doors", () => {
  const door = (listening: string[], config: Record<string, unknown>): Door => ({
    id: "d",
    name: {},
    config_schema: {},
    setting: { enabled: true, config },
    state: "open",
    since: "",
    listening,
    counts: {},
    arrivals: 0,
  });
  it("know which addresses others reach", () =>
    expect(["127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "192.168.1.2:1"].map(isLocal)).toEqual([true, true, false, false]));
  it("warn of what is neither local nor encrypted", () => {
    const config = { listen: "0.0.0.0:1883", tls: { listen: "0.0.0.0:8883" } };
    expect(exposed(door(["0.0.0.0:1883", "0.0.0.0:8883"], config))).toEqual(["0.0.0.0:1883"]);
    expect(exposed(door(["127.0.0.1:8899"], { listen: "127.0.0.1:8899" }))).toEqual([]);
    expect(exposed(door(["0.0.0.0:8899"], { listen: "0.0.0.0:8899", plain_on_network: true }))).toEqual([
      "0.0.0.0:8899",
    ]);
    expect(exposed(door(["0.0.0.0:1"], { listeners: [{ listen: "0.0.0.0:1", tls: { names: [] } }] }))).toEqual([]);
  });
});

describe("messages", () => {
  it("in JSON are indented without touching a value", () => {
    expect(readable('{"a":12345678901234567890,"b":[1.0,{}],"c":"x,\\"y:{"}')).toBe(
      '{\n  "a": 12345678901234567890,\n  "b": [\n    1.0,\n    {}\n  ],\n  "c": "x,\\"y:{"\n}',
    );
    expect([readable("{oops"), readable("21.5"), readable("[ ]")]).toEqual(["{oops", "21.5", "[]"]);
  });
  it("that are no text stand as bytes, sixteen a line", () =>
    expect(hexLines("00".repeat(17))).toBe(`${Array(16).fill("00").join(" ")}\n00`));
  it("are gathered once each, the newest first, so many and no more", () => {
    const cell = (s: number): { address: string; hex: null; text: string; time: string } => ({
      address: "t",
      hex: null,
      text: String(s),
      time: new Date(s * 1_000).toISOString(),
    });
    const first = Array.from({ length: 15 }, (_, i) => cell(i));
    const all = gather(
      first,
      Array.from({ length: 15 }, (_, i) => cell(i + 10)),
    );
    expect([all.length, all[0]?.text, new Set(all.map((one) => one.text)).size]).toEqual([
      MESSAGES_MAX,
      "24",
      MESSAGES_MAX,
    ]);
  });
  it("hold values that belong to the longest topic that fits", () => {
    const said = (address: string): Candidate => ({
      address,
      reading: "",
      value_type: "f64",
      value: 1,
      plausible: true,
    });
    const cells = ["a", '"a b"', "a/c"].map((address) => ({ address, hex: null }));
    const channels = channelsOf([said('"a b" /x f64'), said("a /y f64"), said("other /z f64")], cells);
    expect(channels.map((one) => `${one.name}: ${one.said[0]?.place}`)).toEqual(['"a b": /x', "a: /y", "other: /z"]);
  });
  it("name a value once, with every way to read it", () => {
    const way = (value_type: Candidate["value_type"]): Candidate => ({
      address: `a /n ${value_type}`,
      reading: value_type,
      value_type,
      value: 1,
      plausible: true,
    });
    const [channel] = channelsOf([way("f64"), way("i64")], [{ address: "a", hex: null }]);
    expect(channel?.said.map((one) => `${one.place} ${one.ways.length}`)).toEqual(["/n 2"]);
  });
  it("stand together when addresses name a kind and no topic", () => {
    const way = (address: string, value_type: Candidate["value_type"]): Candidate => ({
      address: `${address} ${value_type}`,
      reading: value_type,
      value_type,
      value: 1,
      plausible: true,
    });
    const candidates = [way("telemetry:rpm", "f64"), way("telemetry:rpm", "i64"), way("telemetry:motor /x", "f64")];
    const channels = channelsOf(candidates, [{ address: "v1/devices/me/telemetry", hex: null }]);
    const told = channels.map(({ name, said }) => [name, ...said.map((one) => `${one.place} ${one.ways.length}`)]);
    expect(told).toEqual([["telemetry", "rpm 2", "motor /x 1"]]);
  });
});
