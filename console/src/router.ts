// Hash routes, so that the server needs to know none of them. Pages are loaded when they are first opened.
import { createRouter, createWebHashHistory } from "vue-router";
import { leafRoutes } from "./leaves";
import { restoreSession, signedIn } from "./session";

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [...leafRoutes, { path: "/", redirect: "/overview" }, { path: "/:rest(.*)*", redirect: "/overview" }],
});

let asked = false;

router.beforeEach(async (to) => {
  if (to.meta["public"] === true || signedIn.value) return true;
  if (!asked) {
    asked = true;
    // An unreachable server looks like nobody being signed in: the sign-in page then says so.
    if (await restoreSession().catch(() => false)) return true;
  }
  return { path: "/sign-in", query: to.path === "/overview" ? {} : { to: to.fullPath } };
});
