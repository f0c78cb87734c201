// Short notes at the foot of the page: what was done, and faults that belong to no form.
import { ref } from "vue";
import { toProblem, type Fault } from "../api";

export interface Notice {
  id: number;
  text?: string;
  fault?: Fault;
}

const SHOWN_MAX = 4;
const DONE_MS = 4_000;

export const notices = ref<Notice[]>([]);
let last = 0;

function add(notice: Omit<Notice, "id">): number {
  last += 1;
  notices.value = [...notices.value, { id: last, ...notice }].slice(-SHOWN_MAX);
  return last;
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

export function noteDone(text: string): void {
  const id = add({ text });
  setTimeout(() => dismiss(id), DONE_MS);
}

/** Stays until it is dismissed. */
export function noteFault(thrown: unknown): void {
  add({ fault: toProblem(thrown).fault });
}
