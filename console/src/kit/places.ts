// Names of the places that points belong to, so that "temperature" of one machine is told from that of another.
import { shallowRef } from "vue";
import { api, type Asset, type DeviceItem, type PointItem, type Stored } from "../api";
import { nameOf } from "../i18n";
import { noteFault } from "./notices";

/** Names change seldom: read again only after so long. */
const FRESH_MS = 60_000;
const ASSETS_MATCHED_MAX = 4;

const assets = shallowRef<Stored<Asset>[]>([]);
const devices = shallowRef<DeviceItem[]>([]);
let readAt = 0;

export async function loadPlaces(): Promise<void> {
  if (Date.now() - readAt < FRESH_MS) return;
  readAt = Date.now();
  try {
    [assets.value, devices.value] = await Promise.all([api.assets(), api.devices()]);
  } catch (thrown) {
    readAt = 0;
    noteFault(thrown);
  }
}

export const knownAssets = (): Stored<Asset>[] => assets.value;
export const knownDevices = (): DeviceItem[] => devices.value;

/** The machine, else the device, else nothing. */
export function placeOf(point: PointItem): string {
  const asset = point.body.asset ? assets.value.find((one) => one.id === point.body.asset) : undefined;
  if (asset) return nameOf(asset.body.name);
  return devices.value.find((one) => one.id === point.body.device)?.body.name ?? "";
}

const holds = (text: string | undefined, word: string): boolean => text?.toLowerCase().includes(word) ?? false;

/** Points by their own name, or by words of their machine and their own: "pump 2 flow". */
export async function findPoints(query: string, most: number): Promise<PointItem[]> {
  await loadPlaces();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const named = api.findPoints(query, most).then((page) => page.items);
  const isNamed = (asset: Stored<Asset>, word: string): boolean =>
    holds(asset.body.name.zh, word) || holds(asset.body.name.en, word);
  const machines = words.length
    ? assets.value.filter((asset) => asset.body.kind === "asset" && words.some((word) => isNamed(asset, word)))
    : [];
  const matched = [...machines].sort(
    (a, b) => words.filter((w) => isNamed(b, w)).length - words.filter((w) => isNamed(a, w)).length,
  );
  const within = matched.slice(0, ASSETS_MATCHED_MAX).map(async (asset) => {
    const left = words.filter((word) => !isNamed(asset, word));
    const points = await api.points({ asset: asset.id });
    return points.filter(({ body }) =>
      left.every((word) => [body.name, body.label?.zh, body.label?.en].some((text) => holds(text, word))),
    );
  });
  const found = new Map((await Promise.all([...within, named])).flat().map((point) => [point.id, point]));
  return [...found.values()].slice(0, most);
}
