// The live connection: one WebSocket whose subscription is the union of what is on the screen.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { api } from "../api";
import type { Id, LiveSample } from "../api/types";
import { signedIn } from "../session";

/** The eye gets new figures at most this often. */
const SHOW_EVERY_MS = 1_000;
/** Subscriptions change in bursts while a list scrolls. */
const SUBSCRIBE_AFTER_MS = 120;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 8_000;
/** The server's limit of one subscription. */
export const POINTS_MAX = 5_000;

export type LinkState = "off" | "connecting" | "open" | "lost";

export const link = ref<LinkState>("off");
/** When the last frame came; `null` before the first. */
export const lastFrame = ref<number | null>(null);
/** Samples the server left out because this browser was too slow. */
export const shed = ref(0);
/** Values on the screen are not being updated. */
export const stale = computed(() => link.value === "lost");

interface Watched {
  latest: ShallowRef<LiveSample | undefined>;
  users: number;
}

const watched = new Map<Id, Watched>();
const waiting = new Map<Id, LiveSample>();
const valueless = new Set<Id>();
const taps = new Set<(sample: LiveSample) => void>();
let socket: WebSocket | null = null;
let retry_ms = RETRY_FIRST_MS;
let retryTimer: ReturnType<typeof setTimeout> | undefined;
let subscribeTimer: ReturnType<typeof setTimeout> | undefined;

function address(): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/api/v1/live`;
}

function subscribeSoon(): void {
  subscribeTimer ??= setTimeout(() => {
    subscribeTimer = undefined;
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ subscribe: [...watched.keys()].slice(0, POINTS_MAX) }));
  }, SUBSCRIBE_AFTER_MS);
}

function take(frame: { samples?: LiveSample[]; shed?: number }): void {
  lastFrame.value = Date.now();
  if (frame.shed) shed.value += frame.shed;
  for (const arrived of frame.samples ?? []) {
    taps.forEach((tap) => tap(arrived));
    const one = watched.get(arrived.point);
    const sample = withLastValue(arrived, waiting.get(arrived.point) ?? one?.latest.value);
    waiting.set(sample.point, sample);
    if (one && !one.latest.value) one.latest.value = sample;
  }
}

/** A bad sample may carry no value: what is shown, struck through, is then the last one known. */
function withLastValue(sample: LiveSample, before: LiveSample | undefined): LiveSample {
  if (sample.value !== null) return sample;
  if (before && before.value !== null) return { ...sample, value: before.value };
  if (!before) valueless.add(sample.point);
  return sample;
}

/** Points whose first sample came without a value: the server still knows their last one. */
async function fillValueless(): Promise<void> {
  const points = [...valueless];
  valueless.clear();
  // A failure leaves a dash on the screen; the lost connection shows in the banner.
  const latest = await api.latest(points).catch(() => []);
  for (const one of latest) {
    if (!one) continue;
    const held = watched.get(one.point)?.latest;
    if (held?.value && held.value.value === null) held.value = { ...held.value, value: one.value };
  }
}

function open(): void {
  if (!signedIn.value || socket) return;
  if (link.value !== "lost") link.value = "connecting";
  const opened = new WebSocket(address());
  socket = opened;
  opened.onopen = () => {
    link.value = "open";
    retry_ms = RETRY_FIRST_MS;
    subscribeSoon();
  };
  opened.onmessage = (message) => take(JSON.parse(String(message.data)));
  opened.onclose = () => {
    if (socket !== opened) return;
    socket = null;
    if (!signedIn.value) return;
    link.value = "lost";
    retryTimer = setTimeout(open, retry_ms * (0.8 + 0.4 * Math.random()));
    retry_ms = Math.min(retry_ms * 2, RETRY_LAST_MS);
  };
}

function close(): void {
  clearTimeout(retryTimer);
  const closing = socket;
  socket = null;
  closing?.close();
  link.value = "off";
  lastFrame.value = null;
  watched.forEach((one) => (one.latest.value = undefined));
}

/** Runs the connection while somebody is signed in. Called once. */
export function startLive(): void {
  watch(signedIn, (yes) => (yes ? open() : close()), { immediate: true });
  setInterval(() => {
    for (const [point, sample] of waiting) {
      const one = watched.get(point);
      if (one) one.latest.value = sample;
    }
    waiting.clear();
    if (valueless.size > 0) void fillValueless();
  }, SHOW_EVERY_MS);
}

function watchPoint(point: Id): Watched {
  const one = watched.get(point) ?? { latest: shallowRef<LiveSample>(), users: 0 };
  if (one.users === 0) {
    watched.set(point, one);
    subscribeSoon();
  }
  one.users += 1;
  return one;
}

function leavePoint(point: Id): void {
  const one = watched.get(point);
  if (!one) return;
  one.users -= 1;
  if (one.users > 0) return;
  watched.delete(point);
  subscribeSoon();
}

/** The newest sample of a point for as long as the calling component lives; follows a changing id. */
export function useLatest(point: () => Id | undefined): Ref<LiveSample | undefined> {
  const current = shallowRef<Watched>();
  let held: Id | undefined;
  const hold = (next: Id | undefined): void => {
    if (next !== undefined) current.value = watchPoint(next);
    else current.value = undefined;
    if (held !== undefined) leavePoint(held);
    held = next;
  };
  watch(point, hold, { immediate: true });
  onScopeDispose(() => hold(undefined));
  return computed(() => current.value?.latest.value);
}

/** The newest samples of a set of points, for counting; one ref per point. */
export function useLatestOf(points: () => Id[]): (point: Id) => LiveSample | undefined {
  let held: Id[] = [];
  const refs = shallowRef(new Map<Id, ShallowRef<LiveSample | undefined>>());
  const hold = (next: Id[]): void => {
    const fresh = new Map(next.map((id) => [id, watchPoint(id).latest]));
    held.forEach(leavePoint);
    held = [...fresh.keys()];
    refs.value = fresh;
  };
  watch(points, hold, { immediate: true });
  onScopeDispose(() => hold([]));
  return (point) => refs.value.get(point)?.value;
}

/** Every sample as it comes, unthrottled, for the calling component's life. */
export function useTap(tap: (sample: LiveSample) => void): void {
  taps.add(tap);
  onScopeDispose(() => taps.delete(tap));
}
