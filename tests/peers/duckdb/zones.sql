-- Days, weeks and months of a place, around the days on which its clocks change. Both engines mean the same by these.
-- Local midnight comes as the moment that it is: `date_trunc(…, time at time zone Z) at time zone Z`.

-- The days of a week with a day of 23 hours, by the clock of Berlin: where they begin and what they hold.
select date_trunc('day', time at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' as day, count(*) as n, min(time) as first, max(time) as last, sum(integer) as total from samples group by 1 order by day;
select date_trunc('day', time at time zone 'America/New_York') at time zone 'America/New_York' as day, count(*) as n, min(time) as first, max(time) as last, sum(integer) as total from samples group by 1 order by day;
select date_trunc('day', time at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai' as day, type, count(*) as n, avg(case when abs(value) < 1e6 then value end) as mean from samples group by 1, 2 order by day, type;
select date_trunc('week', time at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' as week, count(*) as n from samples group by 1 order by week;
select date_trunc('month', time at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' as month, count(*) as n from samples group by 1 order by month;
select date_part('hour', time at time zone 'Europe/Berlin') as hour, count(*) as n from samples group by 1 order by hour;
select date_part('dow', time at time zone 'Asia/Shanghai') as weekday, date_part('hour', time at time zone 'Asia/Shanghai') as hour, count(*) as n from samples group by 1, 2 order by weekday, hour;

-- Rows of a local day by what a person would write.
select count(*) as n from samples where time >= timestamptz '2026-03-29 00:00:00 Europe/Berlin' and time < timestamptz '2026-03-30 00:00:00 Europe/Berlin';
select count(*) as n from samples where time >= '2026-03-29 00:00:00 Europe/Berlin' and time < '2026-03-30 00:00:00 Europe/Berlin';
select count(*) as n from samples where time between '2026-03-28T00:00:00+08:00' and '2026-03-28T23:59:59.999999999+08:00';
select count(*) as n from samples where time at time zone 'Europe/Berlin' >= timestamp '2026-03-29 04:00:00' and time < '2026-03-30';

-- Both sides of a change, in spring and in autumn.
select timestamptz '2026-03-29 01:59:59 Europe/Berlin' as before, timestamptz '2026-03-29 03:00:00 Europe/Berlin' as after;
select timestamptz '2026-10-25 01:59:59 Europe/Berlin' as before, timestamptz '2026-10-25 03:00:00 Europe/Berlin' as after;
select timestamptz '2026-03-08 01:59:59 America/New_York' as before, timestamptz '2026-03-08 03:00:00 America/New_York' as after;
select timestamp '2026-11-01 00:59:59' at time zone 'America/New_York' as before, timestamp '2026-11-01 02:00:00' at time zone 'America/New_York' as after;

-- Midnight of the days on which clocks change.
select date_trunc('day', t at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' as day from (values (timestamptz '2026-03-29 00:30:00+00'), (timestamptz '2026-03-29 20:00:00+00'), (timestamptz '2026-10-25 00:30:00+00'), (timestamptz '2026-10-25 22:59:59+00'), (timestamptz '2026-10-25 23:00:00+00')) as days(t) order by day;
select date_trunc('day', t at time zone 'America/New_York') at time zone 'America/New_York' as day from (values (timestamptz '2026-03-08 05:00:00+00'), (timestamptz '2026-03-09 03:59:59+00'), (timestamptz '2026-11-01 04:00:00+00'), (timestamptz '2026-11-02 04:59:59+00'), (timestamptz '2026-11-02 05:00:00+00')) as days(t) order by day;
select date_part('hour', t at time zone 'Europe/Berlin') as berlin, date_part('hour', t at time zone 'America/New_York') as york from (values (timestamptz '2026-03-29 00:59:59+00'), (timestamptz '2026-03-29 01:00:00+00'), (timestamptz '2026-10-25 00:59:59+00'), (timestamptz '2026-10-25 01:00:00+00'), (timestamptz '2026-11-01 05:59:59+00'), (timestamptz '2026-11-01 06:00:00+00')) as times(t) order by t;

-- Shanghai kept summer time until 1991.
select timestamp '1991-07-01 12:00:00' at time zone 'Asia/Shanghai' as summer, timestamp '1992-07-01 12:00:00' at time zone 'Asia/Shanghai' as later;
select date_trunc('day', t at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai' as day from (values (timestamptz '1991-04-13 16:00:00+00'), (timestamptz '1991-04-14 15:00:00+00'), (timestamptz '1991-09-14 15:00:00+00'), (timestamptz '1991-09-15 15:59:59+00'), (timestamptz '2026-07-01 15:59:59+00')) as days(t) order by day;

-- The same clock time on the next day.
select (timestamptz '2026-03-28 11:00:00+00' at time zone 'Europe/Berlin' + interval '1 day') at time zone 'Europe/Berlin' as next, timestamptz '2026-03-28 11:00:00+00' + interval '1 day' as later;
