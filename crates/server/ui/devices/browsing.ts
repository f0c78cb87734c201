// Reading what a device offers, node by node or all of it, into a tree that the screen follows at an easy pace.
import { computed, onScopeDispose, ref, shallowRef, triggerRef } from "vue";
import { api, toProblem, type Fault } from "@console/api";
import type { Config } from "@console/kit/schema";
import { NodeTree, type Entry } from "./nodes";

/** Nodes come a thousand at a time; the list is drawn anew at most this often. */
const SHOW_EVERY_MS = 250;

export function useBrowsing(driver: () => string, config: () => Config) {
  const tree = shallowRef(new NodeTree());
  const faults = ref<Fault[]>([]);
  /** Addresses that are being read; "" for the root. */
  const reading = ref<ReadonlySet<string>>(new Set());
  /** Everything is being read, or was. */
  const deep = ref<"no" | "reading" | "done">("no");
  const under = new Map<string, AbortController>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function showSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      triggerRef(tree);
    }, SHOW_EVERY_MS);
  }
  function note(at: string, on: boolean): void {
    const next = new Set(reading.value);
    if (on) next.add(at);
    else next.delete(at);
    reading.value = next;
  }
  /** Reads below a node; `true` when it came to its end. */
  async function read(at: string, all: boolean): Promise<boolean> {
    under.get(at)?.abort();
    const mine = new AbortController();
    under.set(at, mine);
    note(at, true);
    try {
      const body = { config: config(), at, deep: all };
      await api.browse(driver(), body, (batch) => (tree.value.add(batch, at), showSoon()), mine.signal);
      faults.value = [];
      const entry = tree.value.find(at);
      if (all) tree.value.readBelow(entry);
      else if (entry) entry.read = true;
      return true;
    } catch (thrown) {
      if (!mine.signal.aborted) faults.value = toProblem(thrown).faults;
      return false;
    } finally {
      if (under.get(at) === mine) {
        under.delete(at);
        note(at, false);
      }
      triggerRef(tree);
    }
  }
  /** Reads everything, once. */
  async function readAll(): Promise<void> {
    if (deep.value !== "no") return;
    deep.value = "reading";
    deep.value = (await read("", true)) ? "done" : "no";
  }
  function stop(): void {
    under.forEach((one) => one.abort());
  }
  async function again(): Promise<void> {
    stop();
    deep.value = "no";
    tree.value = new NodeTree();
    await read("", false);
  }
  onScopeDispose(() => {
    clearTimeout(timer);
    stop();
  });
  const busy = computed(() => reading.value.size > 0);
  const isReading = (entry: Entry): boolean => reading.value.has(entry.node.address);
  return { tree, faults, deep, busy, isReading, read, readAll, stop, again };
}
