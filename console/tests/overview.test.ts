import { describe, expect, it } from "vitest";
import { panelsOf, treeOf } from "../../crates/server/ui/overview/plant";
import { tallyOf } from "../../crates/server/ui/overview/tally";
import { formOf, pointOf } from "../../crates/server/ui/points/form";
import type { Asset, DeviceItem, Point, PointItem, Stored } from "../src/api/types";

const asset = (id: string, kind: Asset["kind"], parent?: string): Stored<Asset> => ({
  id,
  revision: 1,
  changed: "",
  body: { kind, name: { en: id }, ...(parent ? { parent } : {}) },
});
const point = (id: string, more: Partial<Point>): PointItem => ({
  id,
  point_id: 1,
  revision: 1,
  body: { name: id, value_type: "f64", unit: "bar", period_ms: 1_000, ...more },
});
const device: DeviceItem = {
  id: "d",
  revision: 1,
  changed: "",
  body: { name: "d", driver: "modbus", config: {}, enabled: true, writes_enabled: false, limits: {} },
  health: null,
};

describe("the overview", () => {
  const roots = treeOf([
    asset("m2", "asset", "line"),
    asset("site", "site"),
    asset("line", "line", "site"),
    asset("m1", "asset", "line"),
    asset("lost", "asset", "gone"),
  ]);
  it("orders the tree and keeps what lost its parent", () => {
    expect(roots.map((node) => node.id)).toEqual(["site", "lost"]);
    expect(roots[0]?.children[0]?.children.map((node) => node.id)).toEqual(["m1", "m2"]);
  });
  it("shows a panel per machine, and per device with unplaced points", () => {
    const points = [
      point("a", { asset: "m1" }),
      point("s", { asset: "m1", states: { 0: { en: "off" } } }),
      point("u", { device: "d" }),
    ];
    const panels = panelsOf(roots, undefined, points, [device]);
    expect(panels.map((panel) => panel.id)).toEqual(["m1", "m2", "lost", "d"]);
    expect(panels[0]?.state?.id).toBe("s");
    expect(panels[0]?.key.map((one) => one.id)).toEqual(["a"]);
  });
  it("counts what is abnormal, each point once", () => {
    const values = new Map([
      ["a", { value: 1, quality: 0x80310000 }],
      ["b", { value: 9, quality: 0 }],
      ["c", { value: 5, quality: 0x40000000 }],
      ["f", { value: 3, quality: 0 }],
    ]);
    const latest = (id: string) =>
      values.has(id) ? { point: id, time: "2026-01-01T00:00:00Z", ...values.get(id)! } : undefined;
    const tally = tallyOf(
      [
        point("a", {}),
        point("b", { range: [0, 5] }),
        point("c", {}),
        point("e", {}),
        point("f", { states: { 3: { zh: "故障", en: "Fault" } } }),
      ],
      latest,
    );
    expect(tally).toMatchObject({ bad: 1, beyond: 1, uncertain: 1, faulted: 1, silent: 1, abnormal: 4 });
  });
});

describe("the point form", () => {
  it("gives back what it got", () => {
    const body: Point = {
      name: "p",
      label: { zh: "压力", en: "Pressure" },
      device: "d",
      address: "40001 float32 cdab",
      value_type: "f32",
      unit: "bar",
      range: [1, 2],
      period_ms: 500,
      write: { min: 0, max: 8, step: 0.5, per_minute: 6 },
    };
    expect(pointOf(body, formOf(body))).toEqual(body);
  });
  it("scales only when asked to", () => {
    const body: Point = {
      name: "p",
      device: "d",
      address: "40001 int16",
      value_type: "i64",
      unit: "1",
      period_ms: 1_000,
    };
    expect(pointOf(body, { ...formOf(body), gain: "0.1" })).toMatchObject({
      value_type: "f64",
      scaling: { gain: 0.1, offset: 0 },
    });
    expect(pointOf(body, formOf(body)).scaling).toBeUndefined();
  });
});
