// One question at a time: asked, timed, ended when the person says so or goes away, saved as a file.
import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { api, toProblem, type Answer, type AnswerFormat, type Fault } from "@console/api";
import { saveFile } from "@console/kit/copy";
import { ROWS_MAX } from "./answer";

/** How often a person sees that time goes by. */
const TICK_MS = 1_000;
/** Arrow comes as a stream, and its files have a name of their own. */
const FILES: Record<AnswerFormat, [ending: string, type: string]> = {
  csv: ["csv", "text/csv;charset=utf-8"],
  parquet: ["parquet", "application/vnd.apache.parquet"],
  arrow: ["arrows", "application/vnd.apache.arrow.stream"],
};
/** Excel takes a file for UTF-8 only with this at its head. */
const BYTE_ORDER_MARK = "\ufeff";

export interface Asked {
  sql: string;
  answer: Answer;
  elapsed_ms: number;
}

export interface Asking {
  asked: ShallowRef<Asked | undefined>;
  faults: Ref<Fault[]>;
  /** What is being waited for. */
  busy: Ref<"answer" | AnswerFormat | undefined>;
  /** Seconds of waiting. */
  waited_s: Ref<number>;
  wasCancelled: Ref<boolean>;
  ask: (sql: string) => Promise<void>;
  save: (format: AnswerFormat) => Promise<void>;
  cancel: () => void;
}

const stamp = (): string => new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");

export function useAsking(): Asking {
  const asked = shallowRef<Asked>();
  const faults = ref<Fault[]>([]);
  const busy = ref<"answer" | AnswerFormat>();
  const waited_s = ref(0);
  const wasCancelled = ref(false);
  let control: AbortController | undefined;

  async function wait(what: "answer" | AnswerFormat, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    control?.abort();
    const mine = (control = new AbortController());
    [busy.value, waited_s.value, wasCancelled.value, faults.value] = [what, 0, false, []];
    const timer = setInterval(() => control === mine && (waited_s.value += 1), TICK_MS);
    try {
      await work(mine.signal);
    } catch (thrown) {
      if (mine.signal.aborted) return;
      faults.value = toProblem(thrown).faults;
      if (what === "answer") asked.value = undefined;
    } finally {
      clearInterval(timer);
      if (control === mine) [busy.value, control] = [undefined, undefined];
    }
  }

  const ask = (sql: string): Promise<void> =>
    wait("answer", async (signal) => {
      const began = performance.now();
      const answer = await api.query(sql, ROWS_MAX, signal);
      if (signal.aborted) return;
      asked.value = { sql, answer, elapsed_ms: performance.now() - began };
      if (answer.error) faults.value = [answer.error];
    });

  const save = (format: AnswerFormat): Promise<void> =>
    wait(format, async (signal) => {
      const file = await api.queryFile(asked.value!.sql, format, signal);
      if (signal.aborted) return;
      const content = format === "csv" ? new Blob([BYTE_ORDER_MARK, file]) : file;
      const [ending, type] = FILES[format];
      saveFile(`query-${stamp()}.${ending}`, content, type);
    });

  function cancel(): void {
    wasCancelled.value = true;
    control?.abort();
  }
  onScopeDispose(() => control?.abort());
  return { asked, faults, busy, waited_s, wasCancelled, ask, save, cancel };
}
