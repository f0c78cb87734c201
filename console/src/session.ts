// Who is signed in. The session itself is an HttpOnly cookie that this code never sees.
import { computed, ref, watch } from "vue";
import { api, Problem, whenSignedOut, type Permission, type Session } from "./api";

/** Remembers that this browser had a session, so that a stranger's first visit asks for none in vain. */
const KEY = "sinew.signed-in";

export const session = ref<Session | null>(null);
watch(session, (now) => (now ? localStorage.setItem(KEY, "1") : localStorage.removeItem(KEY)), { flush: "sync" });
export const signedIn = computed(() => session.value !== null);

export function may(permission: Permission): boolean {
  return session.value?.permissions.includes(permission) ?? false;
}

/** Asks the server who we are. `false` when nobody is signed in; other failures throw. */
export async function restoreSession(): Promise<boolean> {
  if (localStorage.getItem(KEY) === null) return false;
  try {
    session.value = await api.session();
    return true;
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.status === 401) return false;
    throw thrown;
  }
}

export async function signOut(): Promise<void> {
  try {
    await api.signOut();
  } finally {
    session.value = null;
  }
}

whenSignedOut(() => {
  session.value = null;
});
