-- What Grafana's built-in PostgreSQL data source sends, replayed by ask.py and Ask.java.
--
-- Blocks are parted by empty lines. `From` is the file in the repository grafana/grafana (docs/ is its documentation); $D is
-- pkg/tsdb/grafana-postgresql-datasource, $F public/app/plugins/datasource/grafana-postgresql-datasource. Tables and columns are
-- ours; where a column of theirs has a name that matters, a subselect in the place of their table names it. Macros are expanded
-- as $D/macros.go does, as $D/macros_test.go asserts. Fill modes (0, NULL, previous) change nothing that is sent: Grafana fills.
--
-- How it is sent: panels, variables, annotations and the query builder by pgx's PgConn.Exec, which is the simple protocol, text
-- results ($D/pgx/sql_engine.go, execQuery); so did lib/pq before it, since no statement has arguments. Only $D/schema.go asks
-- by pgxpool.Pool.Query: Parse, Describe, Bind, binary results. Times are read by type: a column `time` must be a timestamp or a
-- number, values must be numbers, text becomes labels.
--
-- `Want`: `same`: as the HTTP API answers it; `as STATEMENT`: as the HTTP API answers that one (a time there may be seconds of
-- the epoch here); `rows JSON`; `nothing`: not even columns; `some`: rows; `now STEP BACK`: one row, its time so long ago, in
-- steps; `schemas`, `tables [SCHEMA]`, `columns TABLE`, `types TABLE`: from GET /query/tables. `Names`: of the columns.
-- `Let`: what stands for its name in braces; the rest in braces is a time window and names that the programs look up.

-- Let: on_path: $F/postgresMetaQuery.ts buildSchemaConstraint, a part of others
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )

-- From: $D/pgx/handler_checkhealth.go: Save & test; pgx's Ping
-- Want: nothing
-- Sent: -- ping

-- From: $D/sqleng/handler_checkhealth.go before pgx: lib/pq's Ping
-- Want: nothing
-- Sent: ;

-- From: $F/postgresMetaQuery.ts getVersion: a new data source, to know what the server can do
-- Want: rows [[{version}]]
-- Names: version
SELECT current_setting('server_version_num')::int/100 as version

-- From: $F/postgresMetaQuery.ts getTimescaleDBVersion: whether to offer time_bucket
-- Want: rows []
-- Names: extversion
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'

-- From: $F/postgresMetaQuery.ts showSchemas: the query builder
-- Want: schemas
-- Names: name
SELECT schema_name AS "name"
    FROM information_schema.schemata
    WHERE schema_name NOT IN ('information_schema',
                              'pg_catalog',
                              'pg_toast',
                              '_timescaledb_cache',
                              '_timescaledb_catalog',
                              '_timescaledb_internal',
                              '_timescaledb_config',
                              'timescaledb_information',
                              'timescaledb_experimental')
    ORDER BY schema_name

-- From: $F/postgresMetaQuery.ts showTables of a schema: the query builder
-- Want: tables public
-- Names: table
SELECT quote_ident(table_name) AS "table"
      FROM information_schema.tables
      WHERE quote_ident(table_schema) = 'public'
      ORDER BY 1

-- From: $F/postgresMetaQuery.ts showTables: the query builder's list and the completion of table names
-- Want: tables
-- Names: table
SELECT
    CASE WHEN {on_path}
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema',
                             'pg_catalog',
                             '_timescaledb_cache',
                             '_timescaledb_catalog',
                             '_timescaledb_internal',
                             '_timescaledb_config',
                             'timescaledb_information',
                             'timescaledb_experimental')
    ORDER BY CASE WHEN {on_path} THEN 0 ELSE 1 END, 1

-- From: $F/postgresMetaQuery.ts getSchema of a table on the search path: columns for the builder and the completion
-- Want: columns samples
-- Names: column, type
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('samples'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('samples'))[1]
          AND quote_ident(table_name) = (parse_ident('samples'))[2]
        ELSE quote_ident(table_name) = 'samples'
          AND {on_path}
      END

-- From: $F/postgresMetaQuery.ts getSchema of a table that is named with its schema
-- Want: columns alarms.active
-- Names: column, type
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('alarms.active'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('alarms.active'))[1]
          AND quote_ident(table_name) = (parse_ident('alarms.active'))[2]
        ELSE quote_ident(table_name) = 'alarms.active'
          AND {on_path}
      END

-- From: $D/schema.go querySchemas
-- Want: schemas
SELECT schema_name FROM information_schema.schemata
		 WHERE schema_name NOT LIKE 'pg_%' AND schema_name != 'information_schema'
		 ORDER BY schema_name

-- From: $D/schema.go queryTables
-- Params: alarms
-- Want: tables alarms
SELECT table_name FROM information_schema.tables
		 WHERE table_schema = $1 AND table_type IN ('BASE TABLE', 'VIEW')
		 ORDER BY table_name

-- From: $D/schema.go queryColumns: types go by udt_name
-- Params: public, samples
-- Want: types samples
SELECT column_name, data_type, udt_name, numeric_precision, numeric_scale
		 FROM information_schema.columns
		 WHERE table_schema = $1 AND table_name = $2
		 ORDER BY ordinal_position

-- From: $D/schema.go ColumnValues
-- Want: as SELECT 'unit' AS col_name, unit AS val FROM points WHERE unit IS NOT NULL GROUP BY unit UNION ALL SELECT 'type', type FROM points GROUP BY type
-- Names: col_name, val
SELECT 'unit' AS col_name, "unit"::text AS val FROM (SELECT DISTINCT "unit" FROM "public"."points" WHERE "unit" IS NOT NULL ORDER BY "unit" LIMIT 100) sub_0 UNION ALL SELECT 'type' AS col_name, "type"::text AS val FROM (SELECT DISTINCT "type" FROM "public"."points" WHERE "type" IS NOT NULL ORDER BY "type" LIMIT 100) sub_1

-- From: $F/sqlUtil.ts toRawSql: a statement of the query builder, with its filter on time
-- Want: as SELECT point, AVG(value) FROM samples WHERE time >= '{from}' AND time <= '{to}' GROUP BY point ORDER BY point LIMIT 50
-- Names: point, average
SELECT point, AVG(value) AS average FROM samples WHERE time BETWEEN '{from}' AND '{to}' GROUP BY point ORDER BY point ASC LIMIT 50 

-- From: $D/macros_test.go $__time, $__timeFilter
-- Want: as SELECT time, value FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' ORDER BY 1
-- Names: time, value
SELECT time AS "time", value FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' ORDER BY 1

-- From: $D/macros_test.go $__timeFilter with a fraction of a second
-- Want: as SELECT time, value FROM samples WHERE point = '{point}' AND time >= timestamp '{from_half}' AND time <= timestamp '{to_half}' ORDER BY 1
SELECT time, value FROM samples WHERE point = '{point}' AND time BETWEEN '{from_half}' AND '{to_half}' ORDER BY 1

-- From: $D/postgres_pgx_test.go $__timeEpoch with a column metric
-- Want: as SELECT time, '{point} - value one', value FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' ORDER BY 1
-- Names: time, metric, value
SELECT extract(epoch from time) as "time", point || ' - value one' as metric, "value" FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' ORDER BY 1

-- From: $D/postgres_pgx_test.go $__timeFrom, $__unixEpochFrom, $__unixEpochTo
-- Want: as SELECT added FROM devices ORDER BY 1
-- Names: time
SELECT added AS time FROM devices WHERE added > '{from}' OR added < '{from}' OR 1 < {from_s} OR {to_s} > 1 ORDER BY 1

-- From: $D/macros_test.go $__timeFrom alone
-- Want: rows [["2018-04-12T18:00:00Z"]]
select '2018-04-12T18:00:00Z'

-- From: $D/postgres_pgx_test.go $__timeGroup of five minutes
-- Want: as SELECT date_bin(interval '5 minutes', time), avg(value) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, value
SELECT floor(extract(epoch from time)/300)*300 AS time, avg(value) as value FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' GROUP BY 1 ORDER BY 1

-- From: $D/postgres_pgx_test.go $__timeGroup and $__interval of ten seconds
-- Want: as SELECT date_bin(interval '10 seconds', time), avg(value) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, value
SELECT floor(extract(epoch from time)/10)*10 AS time, avg(value) as value FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' GROUP BY 1 ORDER BY 1

-- From: $D/macros.go $__timeGroupAlias of 500 ms: seconds are a Go float, written %v
-- Want: as SELECT date_bin(interval '500 milliseconds', time), max(value) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, value
SELECT floor(extract(epoch from time)/0.5)*0.5 AS "time", max(value) as value FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' GROUP BY 1 ORDER BY 1

-- From: $D/macros.go $__timeGroupAlias of twelve days, likewise
-- Want: as SELECT date_bin(interval '12 days', time), count(*) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, value
SELECT floor(extract(epoch from time)/1.0368e+06)*1.0368e+06 AS "time", count(*) as value FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}' GROUP BY 1 ORDER BY 1

-- From: $D/testdata/time_series/fill_null.sql: $__timeGroup with fill and a label
-- Want: as SELECT date_bin(interval '5 minutes', time), device, avg(value) FROM samples WHERE time >= '{from}' AND time <= '{to}' GROUP BY 1, 2 ORDER BY 1, 2
-- Names: time, device, v
SELECT floor(extract(epoch from "time")/300)*300 AS "time",device,avg(value) AS "v" FROM samples WHERE time BETWEEN '{from}' AND '{to}' GROUP BY 1,2 ORDER BY 1,2

-- From: $D/postgres_pgx_test.go $__timeGroup(ts, '1m', 0) over a common table expression
-- Want: now 60 180
-- Names: time, n
WITH data AS (SELECT now()-'3m'::interval AS ts, 42 AS n) SELECT floor(extract(epoch from ts)/60)*60 AS "time", n FROM data

-- From: docs/sources/datasources/postgres/query-editor: example with a column metric; its frame has a field named min
-- Want: as SELECT date_bin(interval '5 minutes', time), min(value), 'min' FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, min, metric
SELECT
  floor(extract(epoch from "time_date_time")/300)*300 AS "time",
  min("value_double"),
  'min' as metric
FROM (SELECT time AS time_date_time, value AS value_double FROM samples WHERE point = '{point}') test_data
WHERE "time_date_time" BETWEEN '{from}' AND '{to}'
GROUP BY time
ORDER BY time

-- From: docs/sources/datasources/postgres/query-editor: example with fill and a label
-- Want: as SELECT date_bin(interval '5 minutes', time), sum(value), device FROM samples WHERE type = 'f32' AND time >= '{from}' AND time <= '{to}' GROUP BY 1, 3 ORDER BY 1
-- Names: time, value, hostname
SELECT
  floor(extract(epoch from "createdAt")/300)*300 AS "time",
  sum(value) as value,
  hostname
FROM (SELECT time AS "createdAt", value, device AS hostname FROM samples WHERE type = 'f32') test_data
WHERE
  "createdAt" BETWEEN '{from}' AND '{to}'
GROUP BY time, hostname
ORDER BY time

-- From: docs/sources/datasources/postgres/query-editor: example with multiple columns
-- Want: as SELECT date_bin(interval '5 minutes', time), min(value), max(value) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, min_value, max_value
SELECT
  floor(extract(epoch from "time_date_time")/300)*300 AS "time",
  min("value_double") as "min_value",
  max("value_double") as "max_value"
FROM (SELECT time AS time_date_time, value AS value_double FROM samples WHERE point = '{point}') test_data
WHERE "time_date_time" BETWEEN '{from}' AND '{to}'
GROUP BY time
ORDER BY time

-- From: $F/CheatSheet.tsx, docs/sources/datasources/postgres/alerting: group by the alias
-- Want: as SELECT date_bin(interval '1 hour', time), sum(value) FROM samples WHERE point = '{point}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, value
SELECT floor(extract(epoch from date_time_col)/3600)*3600 AS "time", sum(value) as value
FROM (SELECT time AS date_time_col, value FROM samples WHERE point = '{point}' AND time <= '{to}') yourtable
GROUP BY time
ORDER BY time

-- From: docs/sources/datasources/postgres/query-editor, literally on our column time: PostgreSQL groups by the column, not the alias
-- Want: as SELECT bin, v FROM (SELECT date_bin(interval '5 minutes', time) AS bin, min(value) AS v FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY time) x ORDER BY 1
-- Names: time, min_value
SELECT floor(extract(epoch from "time")/300)*300 AS "time", min("value") as "min_value" FROM samples WHERE point = '{point}' AND "time" BETWEEN '{from}' AND '{to}' GROUP BY time ORDER BY time

-- From: $D/macros_test.go $__unixEpochGroupAlias
-- Want: as SELECT date_bin(interval '5 minutes', time), count(*) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}' GROUP BY 1 ORDER BY 1
-- Names: time, n
SELECT floor((time_column+time_adjustment)/300)*300 AS "time", count(*) AS n FROM (SELECT extract(epoch from time)::bigint AS time_column, 0 AS time_adjustment FROM samples WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}') t GROUP BY 1 ORDER BY 1

-- From: $D/postgres_pgx_test.go annotations by $__unixEpochFilter
-- Want: as SELECT time, label, device FROM (SELECT date_trunc('second', time) AS time, label, device FROM samples WHERE point = '{point}') x WHERE time >= '{from}' AND time <= '{to}' ORDER BY 1
-- Names: time, text, tags
SELECT "time_sec" as time, description as text, tags FROM (SELECT floor(extract(epoch from time))::bigint AS time_sec, label AS description, device AS tags FROM samples WHERE point = '{point}') event WHERE time_sec >= {from_s} AND time_sec <= {to_s} AND tags='{device}' ORDER BY 1 ASC

-- From: $D/macros_test.go $__unixEpochNanoFilter
-- Want: as SELECT count(*) FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}'
-- Names: n
select count(*) as n from (select time::bigint as t from samples where point = '{point}') x where t >= {from_ns} AND t <= {to_ns}

-- From: docs/sources/datasources/postgres/annotations: native date and time, tags by concat_ws
-- Want: as SELECT time, label, label || ', ' || device FROM samples WHERE point = '{point}' AND time >= '{from}' AND time <= '{to}'
-- Names: time, text, tags
SELECT
  time as time,
  label as text,
  concat_ws(', ', label::text, device::text) as tags
FROM public.samples
WHERE point = '{point}' AND time BETWEEN '{from}' AND '{to}'

-- From: docs/sources/datasources/postgres/annotations: regions with timeend
-- Want: as SELECT added, added AS till, 'Maintenance: ' || device, 'maintenance' FROM devices
-- Names: time, timeend, text, tags
SELECT
  added as time,
  added as timeend,
  concat('Maintenance: ', device) as text,
  'maintenance' as tags
FROM devices
WHERE added BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'

-- From: $D/postgres_pgx_test.go annotations: a time as TIMESTAMP
-- Want: as SELECT timestamp '2018-03-14T21:20:06.527Z', 'message', 'tag1,tag2'
-- Names: time, text, tags
SELECT CAST('2018-03-14 21:20:06.527' AS TIMESTAMP) as time, 'message' as text, 'tag1,tag2' as tags

-- From: $D/postgres_pgx_test.go annotations: a time in seconds of the epoch
-- Want: rows [[1521062406, "message", "tag1,tag2"]]
-- Names: time, text, tags
SELECT 1521062406 as time, 'message' as text, 'tag1,tag2' as tags

-- From: $D/postgres_pgx_test.go annotations: a time in seconds as bigint
-- Want: rows [[1521062406, "message", "tag1,tag2"]]
SELECT cast(1521062406 as bigint) as time, 'message' as text, 'tag1,tag2' as tags

-- From: $D/postgres_pgx_test.go annotations: a bigint that is null
-- Want: rows [[null, "message", "tag1,tag2"]]
SELECT cast(null as bigint) as time, 'message' as text, 'tag1,tag2' as tags

-- From: $D/postgres_pgx_test.go annotations: a timestamp that is null
-- Want: rows [[null, "message", "tag1,tag2"]]
SELECT cast(null as timestamp) as time, 'message' as text, 'tag1,tag2' as tags

-- From: $D/postgres_pgx_test.go annotations: time and timeend in milliseconds
-- Want: rows [[1631053772276, 1631054012276, "", ""]]
-- Names: time, timeend, text, tags
SELECT 1631053772276 as time, 1631054012276 as timeend, '' as text, '' as tags

-- From: $D/postgres_pgx_test.go the row limit
-- Want: rows [[1, 1], [2, 2]]
-- Names: time, value
SELECT 1 as time, 1 as value UNION ALL select 2 as time, 2 as value

-- From: $D/postgres_pgx_test.go no rows, yet columns
-- Want: rows []
-- Names: point, value
SELECT point, value FROM samples WHERE time < '1970-01-01T00:00:00Z'

-- From: $D/postgres_pgx_test.go a table query of every type
-- Want: same
SELECT * FROM samples WHERE time BETWEEN '{from}' AND '{to}'

-- From: $D/macros_test.go a trailing SQLCommenter tag is sent
-- Want: rows [[1]]
-- Names: value
SELECT 1 AS value /*app='grafana',source='bi'*/

-- From: docs/sources/datasources/postgres/query-editor: a table query
-- Want: as SELECT p.name, d.device, d.added FROM points p JOIN devices d ON d.device = p.device
-- Names: Title, Created By, Created On
SELECT
  title as "Title",
  "user".login as "Created By",
  "user".created as "Created On"
FROM (SELECT name AS title, device FROM points) dashboard
INNER JOIN (SELECT device AS login, added AS created FROM devices) "user" on "user".login = dashboard.device
WHERE "user".created BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'

-- From: docs/sources/datasources/postgres: EXPLAIN queries
-- Want: some
EXPLAIN SELECT time, value FROM samples WHERE time BETWEEN '{from}' AND '{to}'

-- From: docs/sources/datasources/postgres/template-variables: a query variable
-- Want: same
SELECT device FROM devices

-- From: docs/sources/datasources/postgres/template-variables: two columns
-- Want: same
SELECT points.name, assets.asset FROM points JOIN assets ON points.asset = assets.asset

-- From: docs/sources/datasources/postgres/template-variables: with a time range
-- Want: as SELECT point FROM samples WHERE time >= '{from}' AND time <= '{to}'
SELECT point FROM samples WHERE time BETWEEN '{from}' AND '{to}'

-- From: docs/sources/datasources/postgres/template-variables: keys and values
-- Want: as SELECT label, point, unit FROM points
-- Names: __text, __value, unit
SELECT label AS __text, point AS __value, unit FROM points

-- From: docs/sources/datasources/postgres/template-variables: nested, several values
-- Want: as SELECT point FROM points WHERE device = '{device}'
SELECT point FROM points WHERE device IN('{device}','no such device')

-- From: docs/sources/datasources/postgres/template-variables: $__searchFilter
-- Want: as SELECT point FROM points WHERE starts_with(point, '{device}')
SELECT point FROM points WHERE point LIKE '{device}%'

-- From: docs/sources/datasources/postgres/template-variables: a panel with a variable
-- Want: as SELECT time, value FROM samples WHERE device = '{device}' AND value IS NOT NULL AND time >= '{from}' AND time <= '{to}' ORDER BY time
-- Names: time, value
SELECT
  time AS time,
  value AS value
FROM samples
WHERE time BETWEEN '{from}' AND '{to}' AND device IN('{device}') AND value IS NOT NULL
ORDER BY time ASC
