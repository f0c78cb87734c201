-- Where the engine's own answers were wrong, and are not any more: `crates/query/src/mend.rs` and `aggregates.rs`.

-- A cast that loses digits was taken for a constant, by which nothing needs sorting.
select x from (values (1.3e0), (1.1e0), (1.2e0)) as t(x) where cast(x as integer) = 1 order by x;
select time, point from samples where cast(time as date) = date '2026-03-28' order by time, point limit 5;
select point, row_number() over (order by time, point) as n from samples where cast(time as date) = date '2026-03-28';

-- An equality that began with its constant shut out one that ended with it.
select count(*) as n from samples where text = 'run' and 'run' = text;

-- NaN forgot what came before it, and of infinities alone a finite number was made.
select k, max(x) as high from (values (1, 'nan'::double), (1, 2.0)) as t(k, x) group by k;
select k, min(x) as low from (values (1, 1.0), (1, 'nan'::double), (1, 5.0)) as t(k, x) group by k;
select k, max(x) as high, min(-x) as low from (values (1, '-inf'::double), (1, '-inf'::double)) as t(k, x) group by k;

-- A moving sum did not recover from what had left its window.
select k, sum(x) over (order by k rows between 1 preceding and current row) as s from (values (1, 1.0), (2, 'inf'::double), (3, 2.0), (4, 3.0)) as t(k, x);
select k, avg(x) over (order by k rows between 1 preceding and current row) as s from (values (1, 1.0), (2, 1e18), (3, 0.25), (4, 0.5)) as t(k, x);

-- An unsigned column and a number written in a statement made decimals of four digits.
select idiv(unsigned, 1000) as q from samples where unsigned is not null;
select avg(unsigned % 1000) as mean from samples where unsigned is not null;
select point, avg(unsigned % 7 * 3 + 1) as mean, sum(2 * (unsigned % 10)) as total from samples where unsigned is not null group by point;
