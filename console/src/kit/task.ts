// Work that may fail: a busy flag and the faults to show, so that no API error is ever lost.
import { onMounted, onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { toProblem, type Fault } from "../api";
import { link } from "../live/live";

export interface Task {
  busy: Ref<boolean>;
  faults: Ref<Fault[]>;
  /** Runs the work; `undefined` when it failed, and then `faults` says why. */
  run: <T>(work: () => Promise<T>) => Promise<T | undefined>;
}

export function useTask(): Task {
  const busy = ref(false);
  const faults = ref<Fault[]>([]);
  const run = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    busy.value = true;
    try {
      const result = await work();
      faults.value = [];
      return result;
    } catch (thrown) {
      faults.value = toProblem(thrown).faults;
      return undefined;
    } finally {
      busy.value = false;
    }
  };
  return { busy, faults, run };
}

export interface Resource<T> extends Task {
  data: ShallowRef<T | undefined>;
  reload: () => Promise<void>;
}

/** Something read from the server when the component appears and, if asked, again and again while the page is visible. */
export function useResource<T>(read: () => Promise<T>, every_ms?: number): Resource<T> {
  const task = useTask();
  const data = shallowRef<T>();
  let running = false;
  const reload = async (): Promise<void> => {
    if (running) return;
    running = true;
    const result = await task.run(read);
    running = false;
    if (task.faults.value.length === 0) data.value = result;
  };
  onMounted(reload);
  // What failed while the server was away is read again as soon as it is back.
  watch(link, (now) => {
    if (now === "open" && task.faults.value.length > 0) void reload();
  });
  if (every_ms !== undefined) {
    const timer = setInterval(() => {
      if (!document.hidden) void reload();
    }, every_ms);
    onScopeDispose(() => clearInterval(timer));
  }
  return { ...task, data, reload };
}
