// Reads the tracks of a window: raw samples when there are few, else one bucket a pixel.
import { api, type PointItem } from "@console/api";
import { fromBuckets, fromSamples, gapLimit, type Track } from "@console/kit/tracks";

/** Above this, a line of raw samples shows no more than its buckets do. */
const RAW_MAX = 4_000;
const BUCKETS_MIN = 50;
const BUCKETS_MAX = 2_000;

const period = (point: PointItem): number | undefined => (point.body.device ? point.body.period_ms : undefined);

async function readRaw(point: PointItem, from: string, to: string): Promise<Track | undefined> {
  const reply = await api.samples(point.id, from, to, RAW_MAX);
  return reply.truncated ? undefined : fromSamples(reply.items, gapLimit(period(point)));
}

/** Tracks by point id. `width_px` is the width of the window on the screen. */
export async function readTracks(
  points: PointItem[],
  from_ms: number,
  to_ms: number,
  width_px: number,
): Promise<Map<string, Track>> {
  const [from, to] = [new Date(from_ms).toISOString(), new Date(to_ms).toISOString()];
  const tracks = new Map<string, Track>();
  const few = points.filter((point) => (to_ms - from_ms) / (period(point) ?? 1_000) <= RAW_MAX);
  await Promise.all(
    few.map(async (point) => {
      const track = await readRaw(point, from, to);
      if (track) tracks.set(point.id, track);
    }),
  );
  const many = points.filter((point) => !tracks.has(point.id));
  if (many.length === 0) return tracks;
  const buckets = Math.round(Math.min(Math.max(width_px, BUCKETS_MIN), BUCKETS_MAX));
  const bucket_ms = (to_ms - from_ms) / buckets;
  const columns = await api.trend(
    many.map((point) => point.id),
    from,
    to,
    buckets,
  );
  for (const one of columns) {
    const point = many.find((candidate) => candidate.id === one.point);
    if (!point) continue;
    const width = one.start.length > 1 ? one.start[1]! - one.start[0]! : bucket_ms;
    tracks.set(one.point, fromBuckets(one, width, gapLimit(period(point), width)));
  }
  return tracks;
}
