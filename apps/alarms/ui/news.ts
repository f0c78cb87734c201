// When alarms changed: one small question a second while the page is looked at, and a reading only after a change.
import { onScopeDispose, ref, watch, type Ref } from "vue";
import { alarms } from "./api";

const ASK_EVERY_MS = 1_000;

/**
 * Rises with every change of an alarm or a rule; 0 before the first answer, and as long as nothing ever changed. The
 * first question comes a second after the page has read its lists, so that no change falls between the two.
 */
export function useRevision(): { revision: Ref<number>; ask: () => Promise<void> } {
  const revision = ref(0);
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking || document.hidden) return;
    asking = true;
    // While the server is away the banner of the live link says so; the next second asks again.
    const answer = await alarms.revision().catch(() => undefined);
    asking = false;
    if (answer) revision.value = answer.revision;
  };
  const timer = setInterval(() => void ask(), ASK_EVERY_MS);
  onScopeDispose(() => clearInterval(timer));
  return { revision, ask };
}

/** Reads again after every change, one reading at a time. */
export function onNews(revision: Ref<number>, read: () => Promise<void>): void {
  let reading = false;
  let again = false;
  const next = async (): Promise<void> => {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    await read();
    reading = false;
    if (again) {
      again = false;
      void next();
    }
  };
  watch(revision, () => void next());
}
