// The state of a device; one that was just added has none yet and counts as connecting.
import type { DeviceItem, DeviceState } from "../api/types";

export const stateOf = (device: DeviceItem): DeviceState =>
  device.health?.state ?? (device.body.enabled ? "connecting" : "disabled");
