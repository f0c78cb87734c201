import { describe, expect, it } from "vitest";
import { draftOf, draftOfNode, freeName, pointOf } from "../../crates/server/ui/devices/drafts";
import { NodeTree, pathOf, sharedNames } from "../../crates/server/ui/devices/nodes";
import { cellsOf, followers, tableOf } from "../../crates/server/ui/devices/readings";
import type { BrowsedNode, Candidate, Inspection, Schema, Unit } from "../src/api/types";
import { fieldsOf, isSealed, itemOf, linesOf, readAt, sentConfig, startOf, writeAt } from "../src/kit/schema";

const candidate = (address: string, reading: string, plausible: boolean): Candidate => ({
  address,
  reading,
  value_type: "f32",
  value: 20.5,
  plausible,
});
const float = (cell: number, plausible = true): Candidate =>
  candidate(`${cell} float32 cdab`, "float32 CDAB", plausible);
const inspection: Inspection = {
  raw: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => ({ address: String(40000 + i), hex: i === 5 ? null : "0001" })),
  candidates: [
    float(40001),
    candidate("40001 uint16", "uint16", true),
    float(40002, false),
    float(40003),
    float(40006),
    float(40007, false),
    float(40008),
  ],
};

describe("readings", () => {
  it("stand side by side, the best one marked", () => {
    const table = tableOf(inspection, false);
    expect(table.readings).toEqual(["uint16", "float32 CDAB"]);
    expect(table.rows[0]?.best).toBe("float32 CDAB");
    expect(table.rows[1]?.best).toBeUndefined();
  });
  it("are followed step by step, and afresh behind a hole", () => {
    expect(followers(tableOf(inspection, true), inspection.candidates[0]!).map((one) => one.address)).toEqual([
      "40003 float32 cdab",
      "40006 float32 cdab",
      "40008 float32 cdab",
    ]);
  });
  it("know their width", () =>
    expect(
      ["uint16", "bcd32", "float64 ABCD", "bool"].map((reading) => cellsOf(candidate("40001 x", reading, true))),
    ).toEqual([1, 2, 4, 1]));
  it("become points; a gain makes them scaled f64", () => {
    const draft = draftOf(inspection.candidates[0]!);
    expect(pointOf(draft, "d")).toMatchObject({
      name: "r40001",
      address: "40001 float32 cdab",
      value_type: "f32",
      unit: "1",
    });
    expect(pointOf({ ...draft, gain: "0.1" }, "d")).toMatchObject({
      value_type: "f64",
      scaling: { gain: 0.1, offset: 0 },
    });
  });
});

describe("names of points", () => {
  it("are what a point may be called, and nobody else's", () => {
    expect(freeName("DB1.Speed [m/s]", new Set())).toBe("DB1.Speed_m_s");
    expect(freeName("温度", new Set(["温度", "温度_2"]))).toBe("温度_3");
    expect(freeName("///", new Set())).toBe("point");
    expect(freeName("x".repeat(120), new Set(["x".repeat(100)]))).toBe(`${"x".repeat(98)}_2`);
  });
  it("of values in messages are their last key", () => {
    expect(draftOf(candidate("plant/m1 /data/temp f64", "/data/temp", true)).name).toBe("temp");
    expect(draftOf(candidate("plant/m1 f64", "payload", true)).name).toBe("m1");
  });
});

const node = (address: string, parent: string | null, kind: BrowsedNode["kind"] = "value"): BrowsedNode => ({
  address,
  parent,
  name: address.toUpperCase(),
  kind,
  value_type: null,
  writable: false,
  facts: [["unit", "°C"]],
});

describe("what a device offers", () => {
  const tree = new NodeTree();
  tree.add([node("a", null, "folder"), node("b", null)], "");
  tree.add([node("a1", "a"), node("a2", null), node("a1", "b")], "a");
  const shown = (open: boolean): string[] =>
    tree.rows(() => open).map(({ entry, depth }) => `${depth}${entry.node.address}`);
  it("stands below what is open, in the order it came; a node seen twice stays where it was", () => {
    expect(shown(true)).toEqual(["0a", "1a1", "1a2", "0b"]);
    expect(shown(false)).toEqual(["0a", "0b"]);
  });
  it("is found by every word, values only, with the way to it", () => {
    const [found, ...more] = tree.search("A 2");
    expect([found?.entry.node.address, pathOf(found!.entry), more]).toEqual(["a2", "A", []]);
  });
  it("is named with what stands above it where its own name says too little", () => {
    expect(freeName("Temp", new Set(["Temp"]), ["Objects", "Line 1"])).toBe("Line_1.Temp");
    expect(freeName("Temp", new Set(["Temp", "L.Temp"]), ["L"])).toBe("Temp_2");
    const twice = [node("x", null), node("X", null), node("y", null)];
    const names = new NodeTree();
    names.add(twice, "");
    expect([...sharedNames(names.roots)]).toEqual(["X"]);
  });
  it("brings its unit along when we know it", () => {
    const units: Unit[] = [{ code: "Cel", symbol: "°C", dimension: "temperature" }];
    expect(draftOfNode(node("t", null), new Set(), units)).toMatchObject({ name: "T", unit: "Cel" });
    expect(draftOfNode(node("t", null), new Set(["T"]), [])).toMatchObject({ name: "T_2", unit: "1" });
  });
  it("may be a hundred thousand nodes", () => {
    const big = new NodeTree();
    const started = performance.now();
    for (let batch = 0; batch < 100; batch += 1) {
      big.add([node(`f${batch}`, null, "folder")], "");
      big.add(
        Array.from({ length: 1_000 }, (_, i) => node(`f${batch}n${i}`, `f${batch}`)),
        "",
      );
    }
    expect(big.rows(() => true).length).toBe(100_100);
    expect(big.search("n999").length).toBe(100);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe("a driver's schema", () => {
  const schema: Schema = {
    required: ["transport"],
    $defs: {
      Transport: { type: "string", enum: ["tcp", "serial"] },
      Serial: {
        type: "object",
        required: ["path"],
        properties: { path: { type: "string" }, baud: { type: "integer", default: 9_600 } },
      },
      Tls: { type: "object", required: ["ca_pem"], properties: { ca_pem: { type: "string", description: "PEM" } } },
      Allow: {
        type: "object",
        required: ["publish", "subscribe"],
        properties: {
          publish: { type: "array", items: { type: "string" } },
          subscribe: { type: "array", items: { type: "string" } },
        },
      },
      Rule: {
        oneOf: [
          { type: "object", required: ["kind"], properties: { kind: { enum: ["all"] } } },
          {
            type: "object",
            required: ["kind", "name"],
            properties: { kind: { const: "one" }, name: { type: "string" } },
          },
        ],
      },
    },
    properties: {
      transport: { $ref: "#/components/schemas/Transport" },
      host: { type: ["string", "null"], description: "Name or address. With `tcp`." },
      serial: {
        oneOf: [{ type: "null" }, { $ref: "#/components/schemas/Serial" }],
        description: "The port; with `serial`.",
      },
      tls: { oneOf: [{ type: "null" }, { $ref: "#/$defs/Tls" }], description: "Left out: plain. With `tcp`." },
      password: { type: "string", writeOnly: true },
      allow: { oneOf: [{ type: "null" }, { $ref: "#/$defs/Allow" }] },
      rules: { type: "array", items: { $ref: "#/$defs/Rule" } },
      unit_id: { type: "integer", minimum: 0, maximum: 255, default: 1 },
      fill_gaps: { type: "boolean" },
    },
  };
  const shown = (config: object): string[] =>
    fieldsOf(schema, config as Record<string, unknown>).map(
      (field) => `${field.path.join(".")} ${field.kind}${field.main ? "!" : ""}`,
    );
  it("becomes fields; what goes with a choice is there while it is made", () => {
    expect(shown({ transport: "tcp" })).toEqual([
      "transport choice!",
      "host text!",
      "tls.ca_pem text",
      "password secret",
      "allow.publish list",
      "allow.subscribe list",
      "rules list",
      "unit_id number",
      "fill_gaps switch",
    ]);
    expect(shown({ transport: "serial" }).slice(0, 4)).toEqual([
      "transport choice!",
      "serial.path text!",
      "serial.baud number",
      "password secret",
    ]);
  });
  it("starts with the first of every choice that must be made", () => {
    expect(startOf(schema)).toEqual({ transport: "tcp" });
    expect(itemOf(schema, schema.properties!["rules"]!.items!)).toEqual({ kind: "all" });
  });
  it("lets a kind be chosen before its fields", () => {
    const at = { path: ["rules", 0], required: true, main: true };
    const rule = schema.$defs!["Rule"]!;
    const names = (kind: string): string[] =>
      fieldsOf(schema, { rules: [{ kind }] }, rule, at).map((field) => field.path.join("."));
    expect([names("all"), names("one")]).toEqual([["rules.0.kind"], ["rules.0.kind", "rules.0.name"]]);
  });
  it("is written to and read from by path; emptied places vanish, items of lists stay", () => {
    const config = writeAt({}, ["serial", "path"], "/dev/ttyS0");
    expect(readAt(config, ["serial", "path"])).toBe("/dev/ttyS0");
    expect(writeAt(config, ["serial", "path"], "")).toEqual({});
    expect(writeAt({ rules: [{ kind: "one" }, 2] }, ["rules", 0, "name"], "x")).toEqual({
      rules: [{ kind: "one", name: "x" }, 2],
    });
  });
  it("sends only what matters, and lists that an object must have", () => {
    const config = {
      transport: "serial",
      host: "10.0.0.1",
      serial: { path: "/dev/ttyS0" },
      allow: { publish: ["a"] },
      newer: 1,
    };
    expect(sentConfig(schema, config)).toEqual({
      transport: "serial",
      serial: { path: "/dev/ttyS0" },
      allow: { publish: ["a"], subscribe: [] },
      newer: 1,
    });
  });
  it("gives saved secrets back untouched and never shows them", () => {
    const config = { transport: "tcp", password: { $sealed: "1.abc" } };
    expect(isSealed(config.password)).toBe(true);
    expect(sentConfig(schema, config)).toEqual(config);
    expect(JSON.stringify(linesOf(config))).not.toContain("abc");
  });
});
