-- Where the node's answers are known not to be DuckDB's, each as small as it could be made. They are asked: one that has come
-- to be equal is reported, and leaves this file. Until then `queries.py` makes nothing like it.

-- Rows out of order, and with `limit` the wrong ones: a cast that loses digits is taken for a constant that needs no sorting.
select x from (values (1.3e0), (1.1e0), (1.2e0)) as t(x) where cast(x as integer) = 1 order by x;
select time, point from samples where cast(time as date) = date '2026-03-28' order by time, point limit 5;
select point, row_number() over (order by time, point) as n from samples where cast(time as date) = date '2026-03-28';

-- No rows at all: an equality that begins with its constant, beside one that ends with it. Also of times.
select count(*) as n from samples where text = 'run' and 'run' = text;

-- The greatest and least of a group: NaN forgets what came before it, and of infinities alone a finite number is made.
select k, max(x) as high from (values (1, 'nan'::double), (1, 2.0)) as t(k, x) group by k;
select k, min(x) as low from (values (1, 1.0), (1, 'nan'::double), (1, 5.0)) as t(k, x) group by k;

-- A moving sum does not recover from what has left its window: infinity, NaN, or a number that is very large.
select k, sum(x) over (order by k rows between 1 preceding and current row) as s from (values (1, 1.0), (2, 'inf'::double), (3, 2.0), (4, 3.0)) as t(k, x);
select k, avg(x) over (order by k rows between 1 preceding and current row) as s from (values (1, 1.0), (2, 1e18), (3, 0.25), (4, 0.5)) as t(k, x);

-- Sums of integers run over without a word, and so do `+`, `-` and `*`, which DuckDB refuses.
select sum(x) as s from (values (9223372036854775807), (1)) as t(x);

-- An unsigned column and a number written in a statement make decimals: quotients keep four digits, and so do averages.
select idiv(unsigned, 1000) as q from samples where unsigned is not null;
select avg(unsigned % 1000) as mean from samples where unsigned is not null;

-- -0.0 is equal to 0.0 in `=`, `distinct` and `group by`, and not here.
select nullif(x, 0.0) as x from (values ('-0.0'::double)) as t(x);
select count(*) as n from (values ('-0.0'::double)) as t(x) where x in (0.0, 1.0, 2.0, 3.0, 4.0);
select case x when 0.0 then 'zero' else 'other' end as word from (values ('-0.0'::double)) as t(x);
select count(distinct x) as n, avg(y) as mean from (values (0.0::double, 1), ('-0.0'::double, 2)) as t(x, y);
select rank() over (order by x) as place from (values (0.0), ('-0.0'::double)) as t(x);

-- Refused, though there is nothing wrong with them; of the first two the engine breaks.
select sum(value + 1) over (partition by upper(name)) as a, rank() over (partition by type order by integer) as b, count(*) over (partition by upper(name)) as c from samples;
select distinct on (type) type, time from samples order by type, time, type;
select time, row_number() over (partition by point order by case when abs(value) < 2 then value end, time) as n from samples;
select time as a, cast(time as date) as b from samples group by 1, 2;
select cast(time as date), time from samples;
select min(boolean) as a, min(cast(boolean as bigint)) as b from samples;
select count(*) over (partition by time) as a, count(*) over (partition by cast(time as date)) as b from samples;
select octet_length(bytes) as n from samples where bytes is not null;
