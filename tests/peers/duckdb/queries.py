"""Makes SQL over the table `samples` that means the same to both engines, from a seed.

Every statement that has an order has a total one: (time, point) names a row, and groups are named by their keys. Nulls are
placed by name, because the engines have different habits. What `known.sql` holds is not made here.
"""

import datetime
import random
import re
import zoneinfo

# What has to be spelt in two ways: as it is made here, for the node, for DuckDB.
SPELLINGS = [
    # Integers divide to integers.
    (r"\bidiv\(([^()]+), (\d+)\)", r"(\1 / \2)", r"(\1 // \2)"),
    # Bins count from 1970; DuckDB's own begin on a Monday in 2000.
    (
        r"\bbin\('([^']+)', ([\w.]+)\)",
        r"date_bin(interval '\1', \2)",
        r"time_bucket(interval '\1', \2, timestamptz '1970-01-01 00:00:00+00')",
    ),
    (r"\bfirst_of\(", "first_value(", "first("),
    (r"\blast_of\(", "last_value(", "last("),
]

POINT_COLUMNS = ["point", "name", "label", "device", "asset", "path", "unit", "type"]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Asia/Kolkata"]


def for_node(sql):
    return spelt(sql, 1)


def for_duckdb(sql):
    return spelt(sql, 2)


def spelt(sql, column):
    for spelling in SPELLINGS:
        sql = re.sub(spelling[0], spelling[column], sql)
    return sql


def text(value):
    return "'" + value.replace("'", "''") + "'"


class Words:
    """What the rows hold, so that conditions meet some of them."""

    def __init__(self, ask, before):
        self.before = before
        bound = f"time < '{before}'" if before else "true"

        def column(what, condition="true"):
            return [row[0] for row in ask(f"select {what} from samples where {bound} and {condition} order by 1")]

        # Ids differ from run to run: in an order that does not.
        ids = ask(f"select min(point_id) from samples where {bound} group by point order by point")
        self.of = {"point_id": [row[0] for row in ids]}
        for name in POINT_COLUMNS:
            self.of[name] = column(f"distinct {name}", f"{name} is not null")
        self.texts = column("distinct text", "text is not null")
        self.times = thinned(column("distinct epoch_ns(time)"), 400)
        self.values = thinned(column("distinct value", "value <> 0 and abs(value) < 1e6"), 100)
        self.integers = thinned(column("distinct integer", "integer is not null"), 40) or [0]
        self.unsigned = thinned(column("distinct unsigned", "unsigned is not null"), 40) or [0]
        self.qualities = column("distinct quality")
        self.point_types = dict(ask(f"select distinct point, type from samples where {bound} order by 1"))


def thinned(items, most):
    return items[:: -(-len(items) // most)] if items else items


class Query:
    """One statement; `ordered` says whether its rows come in one order only."""

    def __init__(self, words, seed, number):
        self.words = words
        self.dice = random.Random(f"{seed}/{number}")
        self.ordered = False
        shapes = [
            (self.rows, 4), (self.groups, 6), (self.totals, 3), (self.sums, 8), (self.windows, 4), (self.with_tables, 3),
            (self.joins, 3), (self.sets, 2), (self.distinct, 2), (self.subqueries, 3), (self.newest, 2),
        ]
        shape = self.dice.choices([s for s, _ in shapes], [w for _, w in shapes])[0]
        self.sql = shape()
        self.shape = shape.__name__

    def pick(self, *items):
        return self.dice.choice(items)

    def some(self, items, least, most):
        return self.dice.sample(items, min(len(items), self.dice.randint(least, most)))

    def chance(self, percent):
        return self.dice.randrange(100) < percent

    def several(self, make, least, most, beside=()):
        """Expressions that still differ when casts are taken out of them; see known.sql."""
        found = list(beside)
        for _ in range(self.dice.randint(least, most)):
            one = make()
            if uncast(one) not in map(uncast, found):
                found.append(one)
        return found[len(beside):]

    # Conditions.

    def instant(self, ns):
        """A time as people write it; the same in every form."""
        second, rest = divmod(ns, 10**9)
        at = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
        form = self.dice.randrange(6)
        if form == 0:
            zone = zoneinfo.ZoneInfo(self.pick(*ZONES))
            local = at.astimezone(zone)
            # Within a day of a change some clocks show an hour twice.
            day = datetime.timedelta(days=1)
            if (at - day).astimezone(zone).utcoffset() == (at + day).astimezone(zone).utcoffset():
                return f"timestamptz '{local:%Y-%m-%d %H:%M:%S}.{rest // 1000:06} {zone.key}'"
        if form <= 2:
            hours, minutes = self.pick((2, 0), (8, 0), (-5, 0), (5, 30))
            local = at + datetime.timedelta(hours=hours, minutes=minutes)
            return f"'{local:%Y-%m-%dT%H:%M:%S}.{rest:09}{hours:+03}:{minutes:02}'"
        if form == 3:
            return f"cast('{at:%Y-%m-%d %H:%M:%S}.{rest // 1000:06}+00:00' as timestamp with time zone)"
        if form == 4:
            return f"'{at:%Y-%m-%d}'"
        return f"'{at:%Y-%m-%dT%H:%M:%S}.{rest:09}Z'"

    def span(self):
        """Two times of rows, or beside them."""
        return sorted(ns + self.pick(0, 0, 0, 1, -1) for ns in self.dice.sample(self.words.times, 2))

    def about_point(self, a=""):
        column = self.dice.choice(POINT_COLUMNS)
        known = self.words.of[column] or ["x"]
        one = self.dice.choice(known)
        part = one[self.dice.randrange(max(1, len(one) - 3)):][:3] if one else ""
        c = a + column
        return self.pick(
            lambda: f"{c} = {text(one)}",
            lambda: f"{text(one)} >= {c}",
            lambda: f"{c} <> {text(one)}",
            lambda: f"{c} in ({', '.join(map(text, self.some(known, 1, 4)))})",
            lambda: f"{c} not in ({', '.join(map(text, self.some(known, 1, 3)))})",
            lambda: f"{c} like {text('%' + part + '%')}",
            lambda: f"{c} not like {text(part + '%')}",
            lambda: f"{c} between {text(min(one, known[0]))} and {text(one)}",
            lambda: f"{c} >= {text(one)}",
            lambda: f"{a}device is {self.pick('', 'not ')}null",
            lambda: f"{a}asset is {self.pick('', 'not ')}null",
            lambda: f"upper({c}) = {text(one.upper())}",
            lambda: f"length({c}) > {len(one)}",
            lambda: f"coalesce({a}asset, {a}unit) = {text(self.pick(*self.words.of['unit'], *self.words.of['asset']))}",
            lambda: f"{a}name = {a}label",
            lambda: f"{a}unit || {a}type = {text(self.pick(*self.words.of['unit']) + self.pick(*self.words.of['type']))}",
            lambda: f"starts_with({a}point, {text(self.pick(*self.words.of['point'])[:4])})",
            lambda: f"{a}point_id in ({', '.join(map(text, self.some(self.words.of['point_id'], 1, 6)))})",
            lambda: f"{a}type in ({', '.join(map(text, self.some(self.words.of['type'], 1, 3)))})",
        )()

    def about_time(self, a=""):
        first, last = self.span()
        low, high = self.instant(first), self.instant(last)
        t = a + "time"
        return self.pick(
            lambda: f"{t} >= {low}",
            lambda: f"{t} < {high}",
            lambda: f"{low} < {t}",
            lambda: f"{t} >= {low} and {t} < {high}",
            lambda: f"{t} > {low} and {t} <= {high}",
            lambda: f"{t} between {low} and {high}",
            lambda: f"{t} not between {low} and {high}",
            lambda: f"({t} < {low} or {t} > {high})",
            lambda: f"{t} <> {low}",
            lambda: f"{t} in ({low}, {high})",
            lambda: f"{t} = {low}",
            lambda: f"{low} = {t}",
            lambda: f"cast({t} as date) = date '{iso(first)[:10]}'",
            lambda: f"date_trunc('day', {t}) = date_trunc('day', timestamptz {text(iso(first))})",
            lambda: f"date_part('hour', {t}) between {self.dice.randrange(12)} and {self.dice.randrange(12, 24)}",
            lambda: f"{t} + interval '{self.pick('1 hour', '1 day', '90 minutes')}' > {low}",
            lambda: f"cast({t} as date) > date '{iso(first)[:10]}'",
        )()

    def about_value(self, a=""):
        value = self.dice.choice(self.words.values)
        low, high = sorted(self.dice.sample(self.words.values, 2))
        integer = self.dice.choice(self.words.integers)
        one = self.dice.choice(self.words.texts or ["x"])
        return self.pick(
            lambda: f"{a}value {self.pick('>', '<', '>=', '<=')} {value!r}",
            lambda: f"{a}value = {value!r}",
            lambda: f"{a}value between {low!r} and {high!r}",
            lambda: f"{a}value is {self.pick('', 'not ')}null",
            lambda: f"{a}value in (1, 2, {value!r})",
            lambda: f"abs({a}value) < {abs(value)!r}",
            lambda: f"{a}value * 2 + 1 < {value!r}",
            lambda: f"{a}float {self.pick('>', '<', '=', '<>')} 0",
            lambda: f"{a}float is not null and not isnan({a}float)",
            lambda: f"{a}integer {self.pick('>', '<', '=', '<>')} {integer}",
            lambda: f"{a}integer % {self.pick(2, 3, 7)} = {self.pick(0, 1, -1)}",
            lambda: f"{a}unsigned >= {self.dice.choice(self.words.unsigned)}",
            lambda: f"{self.pick('', 'not ')}{a}boolean",
            lambda: f"{a}boolean is {self.pick('', 'not ')}true",
            lambda: f"{a}text {self.pick('=', '<>', '<', '>=')} {text(one)}",
            lambda: f"{text(one)} = {a}text",
            lambda: f"cast(floor({self.modest(a)}) as bigint) = {self.pick(0, 1, 3)}",
            lambda: f"{a}text like {text('%' + one[:2] + '_%')}",
            lambda: f"{a}text in ({', '.join(map(text, self.some(self.words.texts or ['x'], 1, 3)))})",
            lambda: f"{a}quality {self.pick('=', '<>')} 0",
            lambda: f"{a}quality in ({', '.join(map(str, self.some(self.words.qualities, 1, 2)))})",
            lambda: f"{a}quality >= 2147483648",
        )()

    def condition(self, a=""):
        about = self.dice.choices([self.about_point, self.about_time, self.about_value], [4, 3, 3])
        one = about[0](a)
        if self.chance(15):
            return f"({one} or {self.condition(a)})"
        if self.chance(8):
            return f"not ({one})"
        return one

    def where(self, a="", most=2, more=()):
        conditions = [*more, *(self.condition(a) for _ in range(self.dice.randint(0, most)))]
        if self.words.before:
            conditions.append(f"{a}time < '{self.words.before}'")
        return " where " + " and ".join(conditions) if conditions else ""

    # Expressions.

    def figure(self, a=""):
        return self.pick(
            f"{a}value", f"{a}value", f"{a}value", f"{a}float", f"abs({a}value)", f"{a}value * 2 + 1", f"{a}value / 3",
            f"case when {a}value > 0 then {a}value end", f"coalesce({a}value, 0)", f"{a}value - {a}float",
            f"greatest({a}value, 0)", f"least({a}value, 10.5)", f"nullif({a}value, 1)", f"{a}value % 3",
        )

    def exact(self, a=""):
        return a + self.pick("integer", "unsigned", "boolean", "text", "time", "name", "quality")

    def modest(self, a=""):
        return f"case when abs({a}value) < 1e6 then {a}value end"

    def unruly(self, a=""):
        """Sums of it do not depend on their order."""
        return f"case when abs({a}float) < 1e6 or abs({a}float) = 'inf'::double or isnan({a}float) then {a}float end"

    def whole(self, a=""):
        return self.pick(
            f"{a}integer % 1000", f"{a}unsigned % 1000", f"idiv({a}unsigned, 1000)", f"abs({a}integer % 7)", f"length({a}text)",
            f"idiv({a}integer, {self.pick(3, 10, 1000)})",
            f"case when {a}boolean then 1 else 0 end", f"case when {a}value > 0 then 1 when {a}value < 0 then -1 end",
            f"cast(date_part('{self.pick('hour', 'minute', 'dow', 'doy', 'day', 'month', 'week')}', {a}time) as bigint)",
            f"strpos({a}name, 'e')", f"cast(floor({self.modest(a)}) as bigint)", f"ascii({a}text)",
            f"cast({a}boolean as bigint)", f"-({a}integer % 100)",
        )

    def words_of(self, a=""):
        c = a + self.pick(*POINT_COLUMNS, "text", "text")
        return self.pick(
            c, f"upper({c})", f"lower({c})", f"reverse({c})", f"substr({c}, 2, 3)", f"left({c}, 3)", f"right({c}, 3)",
            f"replace({c}, 'e', '-')", f"split_part({a}point, '.', 2)", f"{c} || '/' || {a}type",
            f"concat({c}, '-', {a}unit)", f"concat_ws('/', {a}device, {a}asset, {a}name)", f"coalesce({a}device, '-')",
            f"trim({c})", f"ltrim({c}, 'lr')", f"translate({c}, 'aeu', 'AE')", f"md5({c})",
            f"regexp_replace({c}, '[a-m]+', '_')", f"cast({a}integer as varchar)", f"cast({a}boolean as varchar)",
            f"case when {c} is null then 'none' when {c} like '%e%' then 'e' else 'other' end", f"nullif({c}, 'run')",
            f"greatest({a}name, {a}unit)", f"substring({c} from 2)",
        )

    def truth(self, a=""):
        return self.pick(
            f"{a}boolean", f"{a}value > 0", f"{a}quality = 0", f"{a}text like '%u%'", f"isnan({a}float)",
            f"{a}boolean or {a}value > 1", f"{a}boolean and {a}quality = 0", f"{a}value is distinct from {a}float",
            f"{a}text in ('run', 'idle')", f"{a}value is null",
        )

    def moment(self, a=""):
        t = a + "time"
        return self.pick(
            t, f"date_trunc('{self.pick('second', 'minute', 'hour', 'day', 'week', 'month')}', {t})",
            f"bin('{self.pick('15 minutes', '1 hour', '6 hours', '1 day', '10 seconds')}', {t})",
            f"{t} + interval '{self.pick('1 hour', '1 day', '90 minutes')}'", f"cast({t} as date)",
        )

    def anything(self, a=""):
        return self.pick(
            lambda: self.figure(a), lambda: self.whole(a), lambda: self.words_of(a), lambda: self.truth(a),
            lambda: self.moment(a), lambda: a + self.pick("integer", "unsigned", "text", "bytes", "quality", "value"),
        )()

    def aggregate(self, a=""):
        order = f"{a}time, {a}point"
        return self.pick(
            lambda: "count(*)", lambda: f"count({a}{self.pick('value', 'float', 'text', 'boolean', 'device')})",
            lambda: f"count(distinct {self.pick(self.exact(a), self.whole(a), self.words_of(a))})",
            lambda: f"sum({a}{self.pick('integer', 'unsigned')})", lambda: f"avg({a}{self.pick('integer', 'unsigned')})",
            lambda: f"sum({self.figure(a)})", lambda: f"sum({a}value)", lambda: f"sum({self.whole(a)})",
            lambda: f"avg({self.figure(a)})", lambda: f"avg({a}value)", lambda: f"avg({self.whole(a)})",
            lambda: f"{self.pick('min', 'max')}({a}value)", lambda: f"{self.pick('min', 'max')}({self.exact(a)})",
            lambda: f"{self.pick('min', 'max')}({self.whole(a)})", lambda: f"{self.pick('min', 'max')}({self.figure(a)})",
            lambda: f"{self.pick('stddev', 'stddev_pop', 'var_samp', 'var_pop')}({self.modest(a)})",
            lambda: f"{self.pick('bool_and', 'bool_or')}({self.truth(a)})",
            lambda: f"count(*) filter (where {self.truth(a)})", lambda: f"sum({a}value) filter (where {self.truth(a)})",
            lambda: f"{self.pick('first_of', 'last_of')}({a}{self.pick('value', 'integer', 'text', 'time')} order by {order})",
            lambda: f"median({self.modest(a)})", lambda: f"sum(distinct {self.whole(a)})",
            lambda: f"bit_and({a}unsigned)", lambda: f"max({self.modest(a)}) - min({self.modest(a)})",
        )()

    def key(self, a=""):
        return self.pick(
            lambda: a + self.pick("point", "name", "unit", "type", "asset", "device", "path", "label"),
            lambda: f"date_trunc('{self.pick('minute', 'hour', 'day', 'week', 'month')}', {a}time)",
            lambda: f"bin('{self.pick('15 minutes', '1 hour', '6 hours')}', {a}time)",
            lambda: self.whole(a), lambda: self.truth(a), lambda: self.words_of(a),
            lambda: a + self.pick("quality", "text", "boolean", "value"),
        )()

    def by(self, names):
        """An order over these columns, nulls where it says."""
        return ", ".join(
            f"{name} {self.pick('asc', 'desc')} nulls {self.pick('first', 'last')}" for name in names
        )

    def total(self, names, always=False):
        """An order that leaves nothing open and a part of it, or nothing."""
        if not always and self.chance(30):
            return ""
        self.ordered = True
        names = list(names)
        self.dice.shuffle(names)
        cut = f" limit {self.dice.randint(1, 200)}" if self.chance(60) else ""
        return f" order by {self.by(names)}{cut}" + (f" offset {self.dice.randint(1, 20)}" if cut and self.chance(30) else "")

    # Statements.

    def listed(self, items):
        return ", ".join(f"{item} as c{at}" for at, item in enumerate(items))

    def rows(self, source="samples"):
        if self.chance(15) and source == "samples":
            return f"select * from samples{self.where(more=[self.about_point()])}{self.total(['time', 'point'])}"
        items = [self.anything() for _ in range(self.dice.randint(1, 3))] + [self.pick(self.whole, self.words_of)()]
        order = self.total(["time", "point", *([f"c{len(items) - 1}"] if self.chance(40) else [])])
        return f"select time, point, {self.listed(items)} from {source}{self.where()}{order}"

    def groups(self, source="samples", most=2):
        keys = self.several(self.key, 1, 2)
        figures = self.several(self.aggregate, 1, 4, keys)
        having = self.pick("", "", f" having count(*) > {self.dice.randint(1, 60)}", " having max(value) > 0", " having min(time) is not null")
        names = [f"c{at}" for at in range(len(keys))]
        by = ", ".join(str(at + 1) for at in range(len(keys)))
        return (
            f"select {self.listed([*keys, *figures])} from {source}{self.where(most=most)} group by {by}{having}"
            f"{self.total(names)}"
        )

    def totals(self, source="samples"):
        items = self.several(self.aggregate, 2, 6)
        items += self.pick([], [], ["string_agg(text, ',' order by time, point)"])
        return f"select {self.listed(items)} from {source}{self.where()}"

    def sums(self):
        """What the node answers from summaries, without reading a row: sums by point and spans of one width."""
        step = self.pick("second", "minute", "hour", "day", "week")
        width = self.pick("10 seconds", "7 minutes", "15 minutes", "1 hour", "5 hours", "1 day", "3 days", "400 days")
        keys = self.some(["point", "name", "type", "unit", "upper(asset)", "path", "unit || type", "coalesce(device, name)"], 0, 2)
        keys += self.pick([], [f"date_trunc('{step}', time)"], [f"bin('{width}', time)"])
        figures = ["count(*)", "count(value)", "sum(value)", "avg(value)", "min(value)", "max(value)", "min(time)", "max(time)"]
        items = [*keys, *self.some(figures, 1, 6)]
        conditions = self.some([self.about_time(), self.about_point(), self.about_time()], 0, 2)
        order = ""
        if keys:
            having = self.pick("", "", " having count(*) > 3", " having max(value) > 1")
            by = ", ".join(str(at + 1) for at in range(len(keys)))
            order = f" group by {by}{having}{self.total([f'c{at}' for at in range(len(keys))])}"
        return f"select {self.listed(items)} from samples{self.where(more=conditions, most=0)}{order}"

    def window(self, a=""):
        within = f"partition by {a}{self.pick('point', 'point', 'type', 'unit')} order by {a}time, {a}point"
        # Of one point: its values are about as large as each other.
        of_point = f"partition by {a}point order by {a}time"
        # Over rows that are there however they come.
        groups = "partition by " + a + self.pick("point", "name", "type", "time")
        frame = self.pick(
            "", f" rows between {self.dice.randint(1, 9)} preceding and current row",
            " rows between unbounded preceding and current row", f" rows between 1 preceding and {self.dice.randint(1, 4)} following",
        )
        span = f"partition by {a}point order by {a}time range between interval '{self.pick('1 hour', '2 days')}' preceding and current row"
        return self.pick(
            lambda: f"row_number() over ({within})",
            lambda: f"{self.pick('lag', 'lead')}({a}{self.pick('value', 'text', 'time', 'integer')}, {self.dice.randint(1, 3)}) over ({within})",
            lambda: f"sum({self.modest(a)}) over ({of_point}{frame})",
            lambda: f"{self.pick('sum', 'avg')}({self.unruly(a)}) over ({of_point}{frame})",
            lambda: f"{self.pick('min', 'max')}({self.figure(a)}) over ({within}{frame})",
            lambda: f"count({a}value) over ({within}{frame})",
            lambda: f"{self.pick('first_value', 'last_value')}({a}value) over ({within}{frame})",
            lambda: f"{self.pick('rank', 'dense_rank')}() over (partition by {a}type order by {self.by([self.exact(a)])})",
            lambda: f"ntile({self.dice.randint(2, 5)}) over ({within})",
            lambda: f"sum({self.whole(a)}) over ({groups})",
            lambda: f"count(*) over ({groups})",
            lambda: f"{self.pick('sum', 'avg', 'max')}({self.pick(self.modest(a), self.unruly(a))}) over ({span})",
            lambda: f"{a}value - lag({a}value) over ({within})",
        )()

    def windows(self):
        items = self.several(self.window, 1, 3)
        order = self.total(["time", "point"])
        return f"select time, point, {self.listed(items)} from samples{self.where(more=[self.about_point()])}{order}"

    def with_tables(self):
        made = f"with chosen as (select * from samples{self.where()})"
        if self.chance(50):
            return f"{made} {self.pick(self.rows, self.groups, self.totals)('chosen')}"
        step = self.pick("hour", "day", "minute")
        order = self.total(["c0", "c1"])
        return (
            f"{made}, steps as (select point, date_trunc('{step}', time) as step, {self.aggregate()} as n, max({self.modest()}) as high "
            f"from chosen group by 1, 2) select point as c0, step as c1, n as c2, high - lag(high) over (partition by point "
            f"order by step) as c3 from steps{order}"
        )

    def joins(self):
        kind = self.pick("join", "left join")
        left, right = self.about_point("a."), self.about_point("b.")
        if self.chance(40):
            table = f"(select point, {self.aggregate()} as n, max({self.modest()}) as high from samples{self.where()} group by point)"
            items = ["a.time", "a.point", "b.n", "a.value - b.high", self.anything("a.")]
            order = self.total(["c0", "c1"])
            return f"select {self.listed(items)} from samples a {kind} {table} b on a.point = b.point{self.where('a.', more=[left])}{order}"
        on = self.pick("a.time = b.time", "a.time = b.time and a.unit = b.unit", "date_trunc('hour', a.time) = date_trunc('hour', b.time) and a.type = b.type")
        items = ["a.time", "a.point", "b.time", "b.point", self.figure("a."), self.figure("b."), "coalesce(a.value, b.value)"]
        if self.chance(50):
            items = ["a.type", "count(*)", "count(b.value)", "sum(a.value - b.value)", "max(b.time)"]
            order = f" group by 1{self.total(['c0'])}"
        else:
            order = self.total(["c0", "c1", "c2", "c3"], always=True)
        first = f"(select * from samples{self.where(more=[left.replace('a.', '')], most=1)})"
        second = f"(select * from samples{self.where(more=[right.replace('b.', ''), self.about_time()], most=0)})"
        return f"select {self.listed(items)} from {first} a {kind} {second} b on {on} and a.point < b.point{order}"

    def sets(self):
        word = self.pick("union all", "union all", "union", "intersect", "except")
        columns = self.pick("time, point, value", "point, type", "unit, quality", "text, boolean", "name as c0, value as c1")
        parts = [f"select {columns} from samples{self.where(most=2)}" for _ in range(2)]
        if self.chance(30):
            return f"select count(*) as c0, count(distinct point) as c1 from ({f' {word} '.join(p.replace(columns, 'time, point') for p in parts)}) as both_parts"
        return f" {word} ".join(parts)

    def distinct(self):
        items = self.several(self.key, 1, 3)
        order = self.total([f"c{at}" for at in range(len(items))])
        return f"select distinct {self.listed(items)} from samples{self.where()}{order}"

    def subqueries(self):
        inner = self.where(most=1)
        condition = self.pick(
            lambda: f"point {self.pick('in', 'not in')} (select point from samples{inner} group by point having count(*) > {self.dice.randint(1, 300)})",
            lambda: f"value > (select avg(value) from samples{self.where(more=['abs(value) < 1e6'], most=1)})",
            lambda: f"time in (select max(time) from samples{inner} group by point)",
            lambda: f"exists (select 1 from samples o{self.where('o.', more=['o.point = s.point', 'o.time > s.time', 'o.value > s.value', self.about_point('o.')], most=0)})",
            lambda: f"value = (select max(value) from samples o{self.where('o.', more=['o.point = s.point'], most=0)})",
        )()
        if self.chance(50):
            return f"select type as c0, count(*) as c1, max(time) as c2 from samples s{self.where('s.', more=[condition], most=1)} group by 1{self.total(['c0'])}"
        return f"select time as c0, point as c1, value as c2 from samples s{self.where('s.', more=[condition], most=1)}{self.total(['c0', 'c1'])}"

    def newest(self):
        column = self.pick("point", "type", "unit", "date_trunc('day', time)")
        order = f"{column}, time {self.pick('asc', 'desc')}{'' if column == 'point' else ', point'}"
        if self.chance(50):
            self.ordered = True
            return f"select distinct on ({column}) {column} as c0, time, point, value, text from samples{self.where()} order by {order}"
        return (
            f"select time, point, value, {self.figure()} as c0 from (select *, row_number() over (partition by {column} order by time desc, "
            f"point) as n from samples{self.where()}) as numbered where n <= {self.dice.randint(1, 3)}"
        )


def uncast(sql):
    return re.sub(r" as (varchar|bigint|date)\)|cast\(|\)", "", sql)


def iso(ns):
    at = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
