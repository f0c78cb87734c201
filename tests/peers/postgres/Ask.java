// Asks a node over its PostgreSQL door through pgjdbc, as ask.py does through psycopg, and compares with what HTTP says:
// javac -cp JAR -d OUT Ask.java Peer.java
// PGPASSWORD=TOKEN SINEW_API=http://127.0.0.1:8080/api/v1 java -cp JAR:OUT Ask HOST PORT USER grafana.sql [PART OF A NAME]
// The last line is JSON: {"checked": n, "failed": [{"what", "why"}]}; the exit status is 1 when anything failed.

import java.math.BigDecimal;
import java.nio.file.*;
import java.sql.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.*;
import org.postgresql.PGStatement;

public class Ask extends Peer {
    interface Use { void of(Connection to) throws Exception; }
    interface Fill { void into(PreparedStatement to) throws SQLException; }
    interface Meta { ResultSet of(DatabaseMetaData data) throws SQLException; }
    record Check(String what, String[] with, Use use) {}

    static final List<Check> CHECKS = new ArrayList<>();
    static final String LONG = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000) a, generate_series(1, 10000000000) b";
    static final double LIMIT_S = Double.parseDouble(System.getenv().getOrDefault("LIMIT_S", "2"));
    static String address, user;

    public static void main(String[] args) throws Exception {
        address = args[0] + ":" + args[1];
        user = args[2];
        TimeZone.setDefault(TimeZone.getTimeZone("Asia/Shanghai")); // Times come right whatever the zone of the machine.
        lookUp();
        metadata();
        for (String mode : List.of("extended", "simple")) {
            statements(mode);
            transactionsAndErrors(mode);
            grafana(mode, Path.of(args[3]));
        }
        for (String mode : List.of("prepareThreshold=5", "prepareThreshold=1", "prepareThreshold=-1", "preferQueryMode=simple")) parameters(mode);
        List<String> failed = new ArrayList<>();
        CHECKS.removeIf(check -> args.length > 4 && !check.what.contains(args[4]));
        long begun = System.nanoTime();
        for (var check : CHECKS) {
            try (Connection to = connect(check.with)) {
                check.use.of(to);
            } catch (Throwable error) {
                String state = error instanceof SQLException sql ? " " + sql.getSQLState() : "";
                String why = error.getClass().getSimpleName() + state + ": " + error.getMessage();
                why = why.substring(0, Math.min(600, why.length()));
                System.err.println("FAILED " + check.what + ": " + why);
                failed.add("{\"what\": " + quoted(check.what) + ", \"why\": " + quoted(why) + "}");
            }
        }
        System.err.printf("%d of %d passed in %.1f s%n", CHECKS.size() - failed.size(), CHECKS.size(), (System.nanoTime() - begun) / 1e9);
        System.out.println("{\"checked\": " + CHECKS.size() + ", \"failed\": [" + String.join(", ", failed) + "]}");
        System.exit(failed.isEmpty() && !CHECKS.isEmpty() ? 0 : 1);
    }

    // What the driver says of the server and of its tables.
    static void metadata() {
        check("connect: product, version, user", to -> {
            var data = to.getMetaData();
            must(List.of(data.getDatabaseProductName(), data.getDatabaseMajorVersion(), data.getUserName()), List.of("PostgreSQL", 16, user));
            must(List.of(to.getCatalog(), to.getSchema(), to.isValid(2)), List.of("sinew", "public", true));
        });
        check("connect: a wrong password is refused with 28P01", to -> fails("28P01", () -> connect("password", "0".repeat(64))));
        check("DatabaseMetaData.getSchemas", to -> {
            Set<Object> got = column(to, data -> data.getSchemas(), "TABLE_SCHEM");
            got.removeAll(Set.of("pg_catalog", "information_schema"));
            must(got, TABLES.keySet().stream().map(Ask::schemaOf).collect(Collectors.toCollection(TreeSet::new)));
        });
        for (String[] types : new String[][] {{"TABLE", "VIEW"}, null})
            check("DatabaseMetaData.getTables of " + Arrays.toString(types), to -> {
                for (String schema : List.of("public", "alarms"))
                    must(column(to, data -> data.getTables(null, schema, "%", types), "TABLE_NAME"), tablesOf(schema));
                must(column(to, data -> data.getTables("sinew", "public", "samp%", types), "TABLE_NAME"), Set.of("samples"));
            });
        check("DatabaseMetaData.getColumns", to -> {
            for (String table : TABLES.keySet()) {
                var got = meta(to, data -> data.getColumns(null, schemaOf(table), nameOf(table), "%")).stream();
                var known = TABLES.get(table).stream().map(c -> List.of(c.name(), c.udt(), c.sqlType()));
                must(got.map(row -> List.of(row.get("COLUMN_NAME"), row.get("TYPE_NAME"), row.get("DATA_TYPE"))).toList(), known.toList());
            }
        });
        Map<String, Meta> none = Map.of("getPrimaryKeys", data -> data.getPrimaryKeys(null, "public", "samples"),
            "getIndexInfo", data -> data.getIndexInfo(null, "public", "samples", false, false),
            "getImportedKeys", data -> data.getImportedKeys(null, "public", "samples"));
        none.forEach((name, ask) -> check("DatabaseMetaData." + name + ": none", to -> must(meta(to, ask), List.of())));
        check("DatabaseMetaData.getFunctions", to -> meta(to, data -> data.getFunctions(null, "public", "%")));
        check("DatabaseMetaData.getCatalogs, getTableTypes", to -> {
            must(column(to, data -> data.getCatalogs(), "TABLE_CAT").contains("sinew"), true);
            must(column(to, data -> data.getTableTypes(), "TABLE_TYPE").containsAll(List.of("TABLE", "VIEW")), true);
        });
        check("DatabaseMetaData.getTypeInfo", to -> {
            var got = column(to, data -> data.getTypeInfo(), "TYPE_NAME");
            must(got.containsAll(List.of("float8", "text", "timestamptz", "int8", "bool", "numeric", "bytea")), true);
        });
        check("ResultSetMetaData: labels and types", to -> {
            ResultSetMetaData data = to.createStatement().executeQuery("SELECT * FROM samples LIMIT 1").getMetaData();
            List<Object> got = new ArrayList<>();
            for (int at = 1; at <= data.getColumnCount(); at++)
                got.add(List.of(data.getColumnLabel(at), data.getColumnTypeName(at), data.getColumnType(at), data.isAutoIncrement(at)));
            must(got, TABLES.get("samples").stream().map(c -> List.of(c.name(), c.udt(), c.sqlType(), false)).toList());
        });
    }

    static void statements(String mode) {
        String sql = "SELECT time, point, value, float, text, boolean, unsigned, quality FROM samples WHERE " + window() + " ORDER BY time, point";
        check("Statement, " + mode, to -> mustBe(() -> ask(to, sql, null).rows(), sql), "preferQueryMode", mode);
        for (String table : List.of("samples", "points", "assets", "devices"))
            check("every column of " + table + ", " + mode, to -> {
                String every = "SELECT * FROM " + table + (table.equals("samples") ? " WHERE " + window() : "");
                mustBe(() -> ask(to, every, null).rows(), every);
            }, "preferQueryMode", mode);
        check("setFetchSize: portions in a transaction, " + mode, to -> {
            to.setAutoCommit(false);
            Statement ask = to.createStatement();
            ask.setFetchSize(50);
            mustBe(() -> read(ask.executeQuery(sql)).rows(), sql);
            to.commit();
        }, "preferQueryMode", mode);
        String threshold = mode.equals("simple") ? "5" : "-1"; // -1: binary from the first on.
        String floats = "SELECT 'NaN'::float8 AS a, 'Infinity'::float8 AS b, '-Infinity'::float8 AS c, null::float8 AS d";
        check("NaN, infinities and null, prepareThreshold=" + threshold, to -> {
            List<Object> row = read(to.prepareStatement(floats).executeQuery()).rows().get(0);
            must(row, Arrays.asList(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, null));
        }, "prepareThreshold", threshold);
        String newest = "SELECT time FROM samples WHERE " + window() + " ORDER BY time DESC LIMIT 1";
        check("getTimestamp and getObject give the instant that HTTP gives, prepareThreshold=" + threshold, to -> {
            Object known = http(newest).rows().get(0).get(0);
            ResultSet rows = to.prepareStatement(newest).executeQuery();
            rows.next();
            must(rows.getTimestamp(1).toInstant(), known);
            must(rows.getObject(1, OffsetDateTime.class).toInstant(), known);
            must(rows.getTimestamp(1, Calendar.getInstance(TimeZone.getTimeZone("UTC"))).toInstant(), known);
        }, "prepareThreshold", threshold);
    }

    static void parameters(String mode) {
        OffsetDateTime at = Instant.parse(LET.get("to")).minusSeconds(5).atOffset(ZoneOffset.ofHours(8));
        String[] both = {LET.get("point"), LET.get("text")};
        String then = "time < timestamp '" + at.toInstant() + "'", in = "point IN ('" + both[0] + "', '" + both[1] + "')";
        parameter(mode, "setString", "point = ?", to -> to.setString(1, both[0]), "point = '" + both[0] + "'");
        parameter(mode, "setInt", "quality = ?", to -> to.setInt(1, 0), "quality = 0");
        parameter(mode, "setLong", "unsigned < ?", to -> to.setLong(1, 1L << 40), "unsigned < 1099511627776");
        parameter(mode, "setDouble", "value > ?", to -> to.setDouble(1, 1.5), "value > 1.5");
        parameter(mode, "setBigDecimal", "value > ?", to -> to.setBigDecimal(1, new BigDecimal("1.5")), "value > 1.5");
        parameter(mode, "setBoolean", "boolean = ?", to -> to.setBoolean(1, true), "boolean");
        parameter(mode, "setTimestamp", "time < ?", to -> to.setTimestamp(1, Timestamp.from(at.toInstant())), then);
        parameter(mode, "setObject of OffsetDateTime", "time < ?", to -> to.setObject(1, at), then);
        parameter(mode, "setString with a cast", "time < ?::timestamptz", to -> to.setString(1, at.toInstant().toString()), then);
        parameter(mode, "setNull", "(?::text IS NULL OR point = 'x')", to -> to.setNull(1, Types.VARCHAR), "true");
        array(mode, "text", "point = any(?)", both, in);
        array(mode, "int4", "quality = any(?)", new Integer[] {0, 1}, "quality IN (0, 1)");
        array(mode, "float8", "value = any(?)", new Double[] {1.0, 2.0}, "value IN (1.0, 2.0)");
    }

    static void array(String mode, String type, String condition, Object[] values, String literal) {
        parameter(mode, "setArray of " + type, condition, to -> to.setArray(1, to.getConnection().createArrayOf(type, values)), literal);
    }

    /** Eight times: from the fifth on the driver names the statement, and then it asks for binary results. */
    static void parameter(String mode, String name, String condition, Fill fill, String literal) {
        String sql = "SELECT point, count(*) AS n, max(time) AS newest, min(value) AS least FROM samples WHERE " + window() + " AND ";
        check("PreparedStatement " + name + ", " + mode, to -> {
            var known = http(sql + literal + " GROUP BY point").rows();
            PreparedStatement ask = to.prepareStatement(sql + condition + " GROUP BY point");
            for (int time = 0; time < 8; time++) {
                fill.into(ask);
                String why = differ(read(ask.executeQuery()).rows(), known, false);
                if (why != null) throw new AssertionError("time " + (time + 1) + ": " + why);
            }
            must(ask.unwrap(PGStatement.class).isUseServerPrepare(), true);
        }, mode.split("="));
    }

    static void transactionsAndErrors(String mode) {
        String[] with = {"preferQueryMode", mode};
        check("setQueryTimeout ends a query with 57014, " + mode, to -> ends(to, 1, null), with);
        check("Statement.cancel ends a query with 57014, " + mode, to -> ends(to, 0.5, "cancel"), with);
        Map<String, String> errors = new TreeMap<>(Map.of("SELECT * FROM nosuch", "42P01", "SELECT nosuch FROM samples", "42703",
            "SELECT 1 FRM samples WHERE x", "42601", "SELECT 1/(quality - quality) FROM samples", "22012",
            "INSERT INTO samples (time, value) VALUES (now(), 1)", "25006", "DROP TABLE samples", "25006"));
        errors.forEach((sql, state) -> check("error " + state + " of " + sql + ", " + mode, to -> {
            fails(state, () -> ask(to, sql, null));
            one(to);
        }, with));
        check("transaction: read only, commit, " + mode, to -> {
            to.setReadOnly(true);
            to.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            must(to.isReadOnly(), true);
            to.setAutoCommit(false);
            one(to);
            to.commit();
            one(to);
            to.rollback();
        }, with);
        check("transaction: an error aborts it, 25P02 until it is rolled back, " + mode, to -> {
            to.setAutoCommit(false);
            fails("42703", () -> ask(to, "SELECT nosuch FROM samples", null));
            fails("25P02", () -> ask(to, "SELECT 1", null));
            to.rollback();
            one(to);
        }, with);
        check("transaction: savepoint, " + mode, to -> {
            to.setAutoCommit(false);
            one(to);
            Savepoint here = to.setSavepoint();
            fails("42703", () -> ask(to, "SELECT nosuch FROM samples", null));
            to.rollback(here);
            one(to);
        }, with);
        check("transaction: autosave keeps it alive after an error, " + mode, to -> {
            to.setAutoCommit(false);
            fails("42703", () -> ask(to, "SELECT nosuch FROM samples", null));
            one(to);
        }, "preferQueryMode", mode, "autosave", "always");
        check("settings at connect, getTransactionIsolation, setSchema, " + mode, to -> {
            must(to.getClientInfo("ApplicationName"), "Ask");
            must(to.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
            must(ask(to, "SELECT count(*) FROM devices", null).rows(), http("SELECT count(*) FROM devices").rows());
            to.setSchema("alarms");
            must(ask(to, "SELECT * FROM active LIMIT 0", null).names().size(), TABLES.get("alarms.active").size());
        }, "preferQueryMode", mode, "readOnly", "true", "readOnlyMode", "always", "ApplicationName", "Ask", "currentSchema", "public",
            "options", "-c statement_timeout=60000");
    }

    static void one(Connection to) throws SQLException { must(ask(to, "SELECT 1", null).rows(), List.of(List.of(BigDecimal.ONE))); }

    static void ends(Connection to, double after, String cancel) throws Exception {
        Statement ask = to.createStatement();
        if (cancel == null) ask.setQueryTimeout((int) after);
        else new Timer(true).schedule(new TimerTask() {
            public void run() { try { ask.cancel(); } catch (SQLException error) { System.err.println(error); } }
        }, (long) (after * 1000));
        long begun = System.nanoTime();
        fails("57014", () -> read(ask.executeQuery(LONG)));
        double took = (System.nanoTime() - begun) / 1e9 - after;
        if (took > LIMIT_S) throw new AssertionError("ended after " + took + " s");
        one(to);
    }

    // grafana.sql, read and compared as peer.py does.
    static void grafana(String mode, Path statements) throws Exception {
        Map<String, String> let = new HashMap<>(LET);
        let.put("version", "1600");
        int number = 0;
        for (String part : Files.readString(statements).split("\n\n")) {
            Map<String, String> head = new HashMap<>();
            part.lines().filter(line -> line.matches("-- \\w+: .*")).map(line -> line.substring(3).split(": ", 2))
                .forEach(line -> head.put(line[0], line[1]));
            String body = part.lines().filter(l -> !l.startsWith("--")).collect(Collectors.joining("\n"));
            if (head.containsKey("Let")) let.put(head.get("Let").split(":")[0], body.strip());
            if (!head.containsKey("From")) continue;
            String sql = put(head.getOrDefault("Sent", body), let), want = put(head.get("Want"), let);
            List<String> params = head.containsKey("Params") ? List.of(head.get("Params").split(", ")) : null;
            String what = "grafana.sql " + ++number + ", " + mode + ": " + head.get("From");
            check(what, to -> block(to, sql, want, params, head.get("Names")), "preferQueryMode", mode);
        }
        if (number < 40) throw new AssertionError("grafana.sql has " + number + " statements");
    }

    static void block(Connection to, String sql, String wanted, List<String> params, String names) throws Exception {
        String want = wanted.split(" ")[0], more = wanted.substring(want.length()).strip();
        Answer got = ask(to, sql, params);
        List<List<Object>> known = switch (want) {
            case "nothing", "some", "now", "same", "as" -> null;
            case "rows" -> list(new Json(more).value()).stream().map(row -> (List<Object>) list(row)).toList();
            case "schemas" -> lists(TABLES.keySet().stream().map(Ask::schemaOf).distinct().sorted());
            case "tables" -> lists(Stream.concat(tablesOf(more.isEmpty() ? "public" : more).stream(),
                TABLES.keySet().stream().filter(name -> more.isEmpty() && name.contains("."))));
            case "columns" -> TABLES.get(more).stream().map(c -> List.<Object>of(c.name(), c.dataType())).toList();
            case "types" -> TABLES.get(more).stream().map(c -> List.<Object>of(c.name(), c.dataType(), c.udt())).toList();
            default -> throw new AssertionError("Want: " + want);
        };
        if (want.equals("nothing")) must(got.names(), null);
        else if (want.equals("some")) must(got.rows().isEmpty(), false);
        else if (want.equals("now")) {
            long step = Long.parseLong(more.split(" ")[0]), then = Instant.now().getEpochSecond() - Long.parseLong(more.split(" ")[1]);
            double behind = then / step * step - ((Number) got.rows().get(0).get(0)).doubleValue();
            if (behind != 0 && behind != step) throw new AssertionError(got.rows() + " at " + then);
        } else if (known == null) mustBe(() -> ask(to, sql, params).rows(), more.isEmpty() ? sql : more, hasOrder(sql));
        else {
            int width = want.equals("types") ? 3 : 99;
            String why = differ(got.rows().stream().map(r -> r.subList(0, Math.min(width, r.size()))).toList(), known, hasOrder(sql));
            if (why != null) throw new AssertionError(why);
        }
        if (names != null) must(got.names(), List.of(names.split(", ")));
    }

    static void check(String what, Use use, String... with) { CHECKS.add(new Check(what, with, use)); }

    static void must(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError(got + " in place of " + want);
    }

    static void fails(String state, Callable<?> ask) throws Exception {
        Object found;
        try {
            found = ask.call();
        } catch (SQLException error) {
            if (state.equals(error.getSQLState())) return;
            throw new AssertionError("SQLSTATE " + error.getSQLState() + " in place of " + state + ": " + error.getMessage());
        }
        throw new AssertionError(found + " in place of an error " + state);
    }

    static Connection connect(String... more) throws SQLException {
        Properties with = new Properties();
        with.putAll(Map.of("user", user, "password", TOKEN, "connectTimeout", "10", "socketTimeout", "120"));
        for (int at = 0; at < more.length; at += 2) with.setProperty(more[at], more[at + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/sinew", with);
    }

    static Answer ask(Connection to, String sql, List<String> params) throws SQLException {
        if (params == null) {
            Statement ask = to.createStatement();
            return ask.execute(sql) ? read(ask.getResultSet()) : new Answer(null, List.of());
        }
        PreparedStatement ask = to.prepareStatement(sql.replaceAll("\\$\\d", "?"));
        for (int at = 0; at < params.size(); at++) ask.setString(at + 1, params.get(at));
        return read(ask.executeQuery());
    }

    static Answer read(ResultSet rows) throws SQLException {
        ResultSetMetaData data = rows.getMetaData();
        List<String> names = new ArrayList<>();
        List<List<Object>> all = new ArrayList<>();
        for (int at = 1; at <= data.getColumnCount(); at++) names.add(data.getColumnLabel(at));
        while (rows.next()) {
            List<Object> row = new ArrayList<>();
            for (int at = 1; at <= names.size(); at++) row.add(rows.getObject(at) == null ? null : switch (data.getColumnTypeName(at)) {
                case "timestamptz" -> rows.getObject(at, OffsetDateTime.class).toInstant();
                case "timestamp" -> rows.getObject(at, LocalDateTime.class).toInstant(ZoneOffset.UTC);
                case "bytea" -> HexFormat.of().formatHex(rows.getBytes(at));
                default -> rows.getObject(at) instanceof Number n && !(n instanceof Double) ? new BigDecimal(n.toString()) : rows.getObject(at);
            });
            all.add(row);
        }
        return new Answer(names, all);
    }

    static List<Map<String, Object>> meta(Connection to, Meta ask) throws SQLException {
        Answer answer = read(ask.of(to.getMetaData()));
        Function<Object, Object> plain = cell -> cell instanceof BigDecimal n ? (Object) n.intValue() : cell;
        return answer.rows().stream().map(row -> {
            Map<String, Object> named = new HashMap<>();
            for (int at = 0; at < row.size(); at++) named.put(answer.names().get(at), plain.apply(row.get(at)));
            return named;
        }).toList();
    }

    static Set<Object> column(Connection to, Meta ask, String name) throws SQLException {
        return meta(to, ask).stream().map(row -> row.get(name)).collect(Collectors.toCollection(TreeSet::new));
    }
}
