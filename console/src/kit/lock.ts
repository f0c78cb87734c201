// The state of the write lock, shared by the top bar and every write control.
import { ref } from "vue";
import { api, type WriteLock } from "../api";

export const lock = ref<WriteLock | null>(null);

/** A failure keeps the last known state: the live banner already tells that the server is away. */
export async function refreshLock(): Promise<void> {
  lock.value = await api.writeLock().catch(() => lock.value);
}
