// Words of the language that are offered while typing: the ones that questions about a plant are made of. The server
// names its own functions beside these; all that the engine knows works, whether it is offered or not.

export const KEYWORDS = [
  "select", "distinct", "from", "where", "group by", "having", "order by", "limit", "offset", "with", "as", "and",
  "or", "not", "in", "like", "ilike", "between", "is null", "is not null", "asc", "desc", "nulls last", "join",
  "left join", "on", "using", "union all", "case", "when", "then", "else", "end", "interval", "over", "partition by",
  "filter", "exists", "true", "false", "null", "explain",
];

/** Name, and what stands in its brackets. */
export const FUNCTIONS: [name: string, inside: string][] = [
  ["avg", "value"],
  ["min", "value"],
  ["max", "value"],
  ["sum", "value"],
  ["count", "*"],
  ["median", "value"],
  ["stddev", "value"],
  ["corr", "y, x"],
  ["approx_percentile_cont", "value, 0.95"],
  ["first_value", "value order by time"],
  ["last_value", "value order by time"],
  ["date_bin", "interval '1 hour', time"],
  ["date_trunc", "'day', time"],
  ["date_part", "'hour', time"],
  ["now", ""],
  ["to_timestamp", "text"],
  ["to_char", "time, '%H:%M'"],
  ["lag", "value"],
  ["lead", "value"],
  ["row_number", ""],
  ["abs", "value"],
  ["round", "value, 2"],
  ["floor", "value"],
  ["ceil", "value"],
  ["coalesce", "value, 0"],
  ["nullif", "value, 0"],
  ["concat", "device, '/', name"],
  ["lower", "text"],
  ["upper", "text"],
  ["split_part", "point, '/', 1"],
  ["strpos", "text, 'part'"],
  ["regexp_like", "text, 'pattern'"],
  ["cast", "value as bigint"],
];

/** As a text stands in a statement. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
