// Labels of a time axis: as short as the spacing allows, the date wherever the day changes.

const two = (n: number): string => String(n).padStart(2, "0");
const DAY_MS = 86_400_000;

export function timeTicks(splits: number[]): string[] {
  const step = splits.length > 1 ? splits[1]! - splits[0]! : DAY_MS;
  let day = "";
  return splits.map((split) => {
    const at = new Date(split);
    const date = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    if (step >= DAY_MS * 300) return String(at.getFullYear());
    if (step >= DAY_MS) return step >= DAY_MS * 25 ? `${at.getFullYear()}-${two(at.getMonth() + 1)}` : date;
    const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
    const text =
      step < 1_000
        ? `${time}:${two(at.getSeconds())}.${Math.floor(at.getMilliseconds() / 100)}`
        : step < 60_000
          ? `${time}:${two(at.getSeconds())}`
          : time;
    const fresh = date !== day;
    day = date;
    return fresh ? `${text}\n${date}` : text;
  });
}
