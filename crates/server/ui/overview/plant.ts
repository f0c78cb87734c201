// The plant as the overview draws it: a tree of places and a panel for each machine. Pure.
import type { Asset, DeviceItem, Id, PointItem, Stored } from "@console/api/types";

export interface TreeNode {
  id: Id;
  asset: Stored<Asset>;
  children: TreeNode[];
}

/** What one panel shows: a machine, or a device whose points belong to no machine yet. */
export interface Panel {
  id: Id;
  asset?: Stored<Asset>;
  device?: DeviceItem;
  /** Names of the places above, nearest last. */
  path: Stored<Asset>[];
  /** Its running state, if it has a point with named states. */
  state?: PointItem;
  /** The figures that are shown. */
  key: PointItem[];
  points: PointItem[];
}

/** Figures per panel: as many as fit fifteen panels on a 1080-line screen. */
export const KEY_POINTS_MAX = 5;

const KIND_ORDER: Record<Asset["kind"], number> = { site: 0, area: 1, line: 2, station: 3, asset: 4 };

/** The tree, siblings in the order in which they were made. A place whose parent is missing stands at the top. */
export function treeOf(assets: Stored<Asset>[]): TreeNode[] {
  const nodes = new Map(assets.map((asset) => [asset.id, { id: asset.id, asset, children: [] } as TreeNode]));
  const roots: TreeNode[] = [];
  for (const node of nodes.values()) {
    const parent = node.asset.body.parent ? nodes.get(node.asset.body.parent) : undefined;
    (parent && parent !== node ? parent.children : roots).push(node);
  }
  const order = (a: TreeNode, b: TreeNode): number =>
    KIND_ORDER[a.asset.body.kind] - KIND_ORDER[b.asset.body.kind] || (a.id < b.id ? -1 : 1);
  for (const node of nodes.values()) node.children.sort(order);
  return roots.sort(order);
}

/** Every node below and including these, parents first. */
export function flatten(nodes: TreeNode[], depth = 0): { node: TreeNode; depth: number }[] {
  return nodes.flatMap((node) => [{ node, depth }, ...flatten(node.children, depth + 1)]);
}

export function findNode(nodes: TreeNode[], id: Id | undefined): TreeNode | undefined {
  return id === undefined ? undefined : flatten(nodes).find((one) => one.node.id === id)?.node;
}

const isState = (point: PointItem): boolean => Object.keys(point.body.states ?? {}).length > 0;
const hasUnit = (point: PointItem): boolean => point.body.unit !== "1";
const isFigure = (point: PointItem): boolean =>
  !isState(point) && !["string", "bytes", "bool"].includes(point.body.value_type);

function panelOf(id: Id, points: PointItem[], more: Partial<Panel>): Panel {
  const state = points.find(isState);
  // What has a unit says more than a bare count or a status word.
  const figures = points.filter(isFigure);
  const key = [...figures.filter(hasUnit), ...figures.filter((point) => !hasUnit(point))].slice(0, KEY_POINTS_MAX);
  return { id, path: [], key, points, ...(state ? { state } : {}), ...more };
}

function groupBy(points: PointItem[], of: (point: PointItem) => Id | undefined): Map<Id, PointItem[]> {
  const groups = new Map<Id, PointItem[]>();
  for (const point of points) {
    const key = of(point);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(point);
    else groups.set(key, [point]);
  }
  return groups;
}

/** Panels of the chosen place, or of the whole plant and its unplaced devices. Places without points have none. */
export function panelsOf(
  roots: TreeNode[],
  chosen: TreeNode | undefined,
  points: PointItem[],
  devices: DeviceItem[],
): Panel[] {
  const byAsset = groupBy(points, (point) => point.body.asset);
  const panels: Panel[] = [];
  const walk = (node: TreeNode, path: Stored<Asset>[]): void => {
    const own = byAsset.get(node.id) ?? [];
    if (own.length > 0 || node.asset.body.kind === "asset")
      panels.push(panelOf(node.id, own, { asset: node.asset, path }));
    node.children.forEach((child) => walk(child, [...path, node.asset]));
  };
  (chosen ? [chosen] : roots).forEach((node) => walk(node, []));
  if (chosen) return panels;
  const unplaced = groupBy(
    points.filter((point) => point.body.asset === undefined),
    (point) => point.body.device,
  );
  for (const device of devices) {
    const own = unplaced.get(device.id);
    if (own) panels.push(panelOf(device.id, own, { device }));
  }
  return panels;
}
