import { describe, expect, it } from "vitest";
import { cellsOf, draftOf, followers, pointOf, tableOf } from "../../crates/server/ui/devices/readings";
import { sentConfig } from "../../crates/server/ui/devices/hints";
import type { Candidate, Inspection } from "../src/api/types";
import { fieldsOf, readAt, writeAt } from "../src/kit/schema";

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

describe("a driver's schema", () => {
  const schema = {
    required: ["transport"],
    $defs: {
      Transport: { type: "string", enum: ["tcp", "serial"] },
      Serial: {
        type: "object",
        required: ["path"],
        properties: { path: { type: "string" }, baud: { type: "integer" } },
      },
    },
    properties: {
      transport: { $ref: "#/components/schemas/Transport" },
      host: { type: ["string", "null"] },
      serial: { oneOf: [{ type: "null" }, { $ref: "#/components/schemas/Serial" }] },
      unit_id: { type: "integer", minimum: 0, maximum: 255 },
      fill_gaps: { type: "boolean" },
    },
  };
  it("becomes fields", () => {
    expect(
      fieldsOf(schema).map((field) => `${field.path.join(".")} ${field.kind}${field.required ? "!" : ""}`),
    ).toEqual([
      "transport choice!",
      "host text",
      "serial.path text",
      "serial.baud number",
      "unit_id number",
      "fill_gaps switch",
    ]);
  });
  it("is written to and read from by path; emptied places vanish", () => {
    const config = writeAt({}, ["serial", "path"], "/dev/ttyS0");
    expect(readAt(config, ["serial", "path"])).toBe("/dev/ttyS0");
    expect(writeAt(config, ["serial", "path"], "")).toEqual({});
  });
  it("sends only what matters", () => {
    expect(
      sentConfig("modbus", { transport: "serial", host: "10.0.0.1", serial: { path: "/dev/ttyS0" }, unit_id: 1 }),
    ).toEqual({ transport: "serial", serial: { path: "/dev/ttyS0" }, unit_id: 1 });
  });
});
