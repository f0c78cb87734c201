// Statements to start from, about things that are there.
import { api, type PointItem, type QueryTable } from "@console/api";
import { locale, t } from "@console/i18n";
import { knownDevices, loadPlaces } from "@console/kit/places";
import { keyOf } from "./complete";
import { quoted } from "./words";

const LOOKED_AT_MAX = 100;

export interface Example {
  key: string;
  title: string;
  sql: string;
}

/** A point that is worth an average: a measured figure, not a switch or a count. */
async function measured(): Promise<PointItem | undefined> {
  const { items } = await api.findPoints("", LOOKED_AT_MAX);
  return items.find(({ body }) => body.device && body.value_type.startsWith("f") && !body.states) ?? items[0];
}

export async function examplesFor(tables: QueryTable[]): Promise<Example[]> {
  await loadPlaces();
  const point = await measured();
  const device = knownDevices().find((one) => one.id === point?.body.device)?.body.name ?? knownDevices()[0]?.body.name;
  const all = [
    latestOf(device ?? t("explorer.some-device")),
    hourly(point ? keyOf(point) : t("explorer.some-point")),
    ...(tables.some((one) => one.name === "alarms.active") ? [alarms()] : []),
    counts(),
  ];
  return all;
}

const latestOf = (device: string): Example => ({
  key: "latest",
  title: t("explorer.example.latest"),
  sql: `select name, label, value, text, unit, time
from latest
where device = ${quoted(device)}
order by name`,
});

const hourly = (point: string): Example => ({
  key: "hourly",
  title: t("explorer.example.hourly"),
  sql: `select date_bin(interval '1 hour', time) as time,
       avg(value) as mean, min(value) as low, max(value) as high
from samples
where point = ${quoted(point)}
  and time >= now() - interval '1 day'
group by 1
order by 1`,
});

const alarms = (): Example => ({
  key: "alarms",
  title: t("explorer.example.alarms"),
  sql: `select a.since, a.priority, a.state, a.message_${locale()} as message,
       l.point, l.value, l.unit
from alarms.active a
join latest l on l.point_id = a.point
order by a.since desc`,
});

const counts = (): Example => ({
  key: "counts",
  title: t("explorer.example.counts"),
  sql: `select point, count(*) as rows, min(time) as oldest, max(time) as newest
from samples
group by point
order by rows desc`,
});
