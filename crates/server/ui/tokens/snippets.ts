// What a program's configuration needs to come in with a token, ready to paste. Pure.

export const telegraf = (origin: string, token: string): string => `[[outputs.influxdb_v2]]
  urls = ["${origin}"]
  token = "${token}"
  organization = ""
  bucket = "sinew"
`;

export const curl = (origin: string, token: string): string => `curl ${origin}/api/v1/query \\
  -H "Authorization: Bearer ${token}" \\
  -H "Content-Type: application/json" \\
  -d '{"sql": "select point, value, unit, time from latest", "format": "csv"}'
`;
