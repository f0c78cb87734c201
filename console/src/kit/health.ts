// The states of devices and doors as the screen names them.
import type { DeviceItem, DeviceState, Door } from "../api/types";

/** What is shown: a device that comes by itself is away, which is not the same as one that we try again. */
export type ShownState = DeviceState | "away" | "opening" | "open" | "closed" | "blocked";

/** One that was just added has no health yet and counts as connecting. */
export function stateOf(device: DeviceItem): ShownState {
  const state = device.health?.state ?? (device.body.enabled ? "connecting" : "disabled");
  return state === "waiting" && !device.health?.retry_at ? "away" : state;
}

export const doorState = (door: Door): ShownState => (door.state === "waiting" ? "blocked" : door.state);
