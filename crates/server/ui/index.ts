// The kernel's pages. Each folder has its page and its two catalogues.
import { api } from "@console/api";
import type { Badge, Leaf } from "@console/leaves";
import { may } from "@console/session";
import accessEn from "./access/en.json";
import accessZh from "./access/zh.json";
import devicesEn from "./devices/en.json";
import devicesZh from "./devices/zh.json";
import explorerEn from "./explorer/en.json";
import explorerZh from "./explorer/zh.json";
import overviewEn from "./overview/en.json";
import overviewZh from "./overview/zh.json";
import pointsEn from "./points/en.json";
import pointsZh from "./points/zh.json";
import tokensEn from "./tokens/en.json";
import tokensZh from "./tokens/zh.json";
import trendEn from "./trend/en.json";
import trendZh from "./trend/zh.json";
import usersEn from "./users/en.json";
import usersZh from "./users/zh.json";

/** Devices that came by themselves and wait for a person. */
async function arrivals(): Promise<Badge> {
  if (!may("configure")) return { count: 0 };
  const doors = await api.doors();
  return { count: doors.reduce((sum, door) => sum + door.arrivals, 0) };
}

const leaf: Leaf = {
  routes: [
    {
      path: "/sign-in",
      component: () => import("./access/SignIn.vue"),
      meta: { public: true, title: "sign-in.title" },
    },
    {
      path: "/setup",
      component: () => import("./access/FirstSetup.vue"),
      meta: { public: true, title: "setup.title" },
    },
    {
      path: "/link/:token",
      component: () => import("./access/SignInLink.vue"),
      meta: { public: true, title: "sign-in.title" },
    },
    {
      path: "/overview/:node?",
      component: () => import("./overview/PlantOverview.vue"),
      meta: { title: "overview.title" },
    },
    { path: "/devices", component: () => import("./devices/DeviceList.vue"), meta: { title: "devices.title" } },
    { path: "/devices/add", component: () => import("./devices/AddDevice.vue"), meta: { title: "wizard.title" } },
    { path: "/devices/doors", component: () => import("./devices/DoorList.vue"), meta: { title: "doors.title" } },
    {
      path: "/devices/arrivals",
      component: () => import("./devices/ArrivalList.vue"),
      meta: { title: "arrivals.title" },
    },
    {
      path: "/devices/certificates",
      component: () => import("./devices/CertificateList.vue"),
      meta: { title: "certificates.title" },
    },
    { path: "/devices/:id", component: () => import("./devices/DevicePage.vue"), meta: { title: "devices.title" } },
    { path: "/points", component: () => import("./points/PointList.vue"), meta: { title: "points.title" } },
    { path: "/trend", component: () => import("./trend/TrendPage.vue"), meta: { title: "trend.title" } },
    { path: "/explorer", component: () => import("./explorer/ExplorerPage.vue"), meta: { title: "explorer.title" } },
    { path: "/tokens", component: () => import("./tokens/TokenList.vue"), meta: { title: "tokens.title" } },
    { path: "/users", component: () => import("./users/UserList.vue"), meta: { title: "users.title" } },
  ],
  nav: [
    { to: "/overview", label: "overview.title", order: 10 },
    { to: "/devices", label: "devices.title", order: 20, badge: arrivals },
    { to: "/points", label: "points.title", order: 30 },
    { to: "/trend", label: "trend.title", order: 40 },
    { to: "/explorer", label: "explorer.title", order: 50, permission: "read" },
    { to: "/users", label: "users.title", order: 90, permission: "administer" },
    { to: "/tokens", label: "tokens.title", order: 95 },
  ],
  messages: {
    zh: {
      ...accessZh,
      ...overviewZh,
      ...devicesZh,
      ...pointsZh,
      ...trendZh,
      ...explorerZh,
      ...tokensZh,
      ...usersZh,
    },
    en: {
      ...accessEn,
      ...overviewEn,
      ...devicesEn,
      ...pointsEn,
      ...trendEn,
      ...explorerEn,
      ...tokensEn,
      ...usersEn,
    },
  },
};

export default leaf;
