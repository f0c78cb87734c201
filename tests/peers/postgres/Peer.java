// What the node is known to hold, asked over HTTP, and the comparison of that with what came over the PostgreSQL door: peer.py for Ask.java.

import java.math.BigDecimal;
import java.net.URI;
import java.net.http.*;
import java.time.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.regex.*;
import java.util.stream.*;

public class Peer {
    record Answer(List<String> names, List<List<Object>> rows) {}
    record Column(String name, String dataType, String udt, int sqlType) {}

    static final String API = System.getenv("SINEW_API"), TOKEN = System.getenv("PGPASSWORD");
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    /** What stands in braces in grafana.sql: a time window that is over, and names of points. */
    static final Map<String, String> LET = new HashMap<>();
    static final Map<String, List<Column>> TABLES = new TreeMap<>();
    static final int WINDOW_S = 20;

    static String schemaOf(String table) { return table.contains(".") ? table.split("\\.")[0] : "public"; }

    static String nameOf(String table) { return table.substring(table.indexOf('.') + 1); }

    static Set<Object> tablesOf(String schema) {
        return TABLES.keySet().stream().filter(n -> schemaOf(n).equals(schema)).map(Peer::nameOf).collect(Collectors.toCollection(TreeSet::new));
    }

    static List<Object> list(Object of) { return new ArrayList<>((List<?>) of); }

    static List<List<Object>> lists(Stream<?> of) { return of.map(n -> List.<Object>of(n)).toList(); }

    static String window() { return "time BETWEEN '" + LET.get("from") + "' AND '" + LET.get("to") + "'"; }

    static String put(String text, Map<String, String> let) {
        return Pattern.compile("\\{(\\w+)\\}").matcher(text).replaceAll(found -> Matcher.quoteReplacement(let.get(found.group(1))));
    }

    static boolean hasOrder(String sql) {
        String outer = sql.replaceAll("\\([^()]*\\)", "");
        return outer.equals(sql) ? sql.toLowerCase().contains("order by") : hasOrder(outer);
    }

    static void mustBe(Callable<List<List<Object>>> ask, String sql) throws Exception { mustBe(ask, sql, hasOrder(sql)); }

    /** What `ask` gives is what HTTP gives; should the node change between the two, both are asked again. */
    static void mustBe(Callable<List<List<Object>>> ask, String sql, boolean isOrdered) throws Exception {
        String why = null;
        for (int time = 0; time < 3; time++) {
            List<List<Object>> want = http(sql).rows;
            why = differ(ask.call(), want, isOrdered);
            if (why == null) return;
            if (differ(http(sql).rows, want, false) == null) break;
        }
        throw new AssertionError(why);
    }

    static double micros(Object at) { return ChronoUnit.MICROS.between(Instant.EPOCH, (Instant) at); }

    static boolean equal(Object got, Object want) {
        if (want instanceof Instant && got instanceof Number n) return Math.abs(n.doubleValue() * 1e6 - micros(want)) < 2; // Seconds of the epoch.
        if (!(got instanceof Number a && want instanceof Number b)) return Objects.equals(got, want);
        double x = a.doubleValue(), y = b.doubleValue();
        return Double.compare(x, y) == 0 || Math.abs(x - y) <= 1e-9 * Math.max(1, Math.max(Math.abs(x), Math.abs(y)));
    }

    /** Rows without an order are put into one; a time may be in seconds on one side. */
    static int place(List<Object> a, List<Object> b) {
        for (int at = 0; at < Math.min(a.size(), b.size()); at++) {
            Object[] cells = {a.get(at), b.get(at)};
            for (int side = 0; side < 2; side++) if (cells[side] instanceof Instant) cells[side] = micros(cells[side]) / 1e6;
            int found = String.valueOf(cells[0]).compareTo(String.valueOf(cells[1]));
            if (cells[0] instanceof Number x && cells[1] instanceof Number y)
                found = Double.compare(Math.rint(x.doubleValue() * 1e5), Math.rint(y.doubleValue() * 1e5));
            if (found != 0) return found;
        }
        return 0;
    }

    static String differ(List<List<Object>> got, List<List<Object>> want, boolean isOrdered) {
        if (got.size() != want.size())
            return got.size() + " rows in place of " + want.size() + "; " + got.stream().limit(2).toList() + ", " + want.stream().limit(2).toList();
        for (int at = 0; isOrdered && at < got.size(); at++) {
            Object[] first = {got.get(at).get(0), want.get(at).get(0)};
            if (!equal(first[0], first[1])) return "row " + at + " begins with " + first[0] + " in place of " + first[1];
        }
        List<List<Object>> a = got.stream().sorted(Peer::place).toList(), b = want.stream().sorted(Peer::place).toList();
        for (int row = 0; row < a.size(); row++)
            for (int at = 0; at < b.get(row).size(); at++)
                if (a.get(row).size() != b.get(row).size() || !equal(a.get(row).get(at), b.get(row).get(at)))
                    return a.get(row) + " in place of " + b.get(row);
        return null;
    }

    // The node over HTTP.
    static Map<?, ?> get(String path, String body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(API + path)).header("authorization", "Bearer " + TOKEN);
        if (body != null) request.header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
        var answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new AssertionError("HTTP cannot answer " + path + " " + body + ": " + answer.body());
        return (Map<?, ?>) new Json(answer.body()).value();
    }

    static Answer http(String sql) throws Exception {
        Map<?, ?> answer = get("/query", "{\"sql\": " + quoted(sql) + "}");
        if (answer.get("truncated") != Boolean.FALSE || answer.containsKey("error")) throw new AssertionError("HTTP cannot answer " + sql);
        List<String> kinds = list(answer.get("columns")).stream().map(c -> (String) ((Map<?, ?>) c).get("type")).toList();
        return new Answer(null, list(answer.get("rows")).stream().map(row -> {
            List<Object> cells = list(row);
            for (int at = 0; at < cells.size(); at++) {
                Object cell = cells.get(at);
                cells.set(at, cell == null ? null : switch (kinds.get(at)) {
                    case "time" -> Instant.parse(((String) cell).replace("Z", "") + "Z").truncatedTo(ChronoUnit.MICROS);
                    case "i64", "u64" -> new BigDecimal((String) cell);
                    case "f64" -> cell instanceof BigDecimal n ? (Object) n.doubleValue() : Double.valueOf(cell.toString().replace("inf", "Infinity"));
                    default -> cell;
                });
            }
            return cells;
        }).toList());
    }

    static void lookUp() throws Exception {
        Map<String, Column> types = new HashMap<>(); // PostgreSQL's words for the API's.
        for (String words : List.of("time,timestamp with time zone,timestamptz,93", "string,text,text,12", "f64,double precision,float8,8",
            "i64,bigint,int8,-5", "u32,bigint,int8,-5", "u64,numeric,numeric,2", "bool,boolean,bool,-7", "bytes,bytea,bytea,-2")) {
            String[] word = words.split(",");
            types.put(word[0], new Column(word[0], word[1], word[2], Integer.parseInt(word[3])));
        }
        for (Object table : list(get("/query/tables", null).get("tables")))
            TABLES.put((String) ((Map<?, ?>) table).get("name"), list(((Map<?, ?>) table).get("columns")).stream().map(column -> {
                Column type = types.get(((Map<?, ?>) column).get("type"));
                return new Column((String) ((Map<?, ?>) column).get("name"), type.dataType, type.udt, type.sqlType);
            }).toList());
        List<Object> ends = http("SELECT min(time), max(time) FROM samples").rows.get(0);
        Instant first = ((Instant) ends.get(0)).truncatedTo(ChronoUnit.SECONDS).minusSeconds(1);
        Instant to = ((Instant) ends.get(1)).truncatedTo(ChronoUnit.SECONDS).minusSeconds(3);
        Map.of("from", to.minusSeconds(WINDOW_S).isAfter(first) ? to.minusSeconds(WINDOW_S) : first, "to", to).forEach((name, end) -> {
            LET.put(name, end.toString());
            LET.put(name + "_half", end.toString().replace("Z", ".5Z"));
            LET.put(name + "_s", "" + end.getEpochSecond());
            LET.put(name + "_ns", end.getEpochSecond() + "000000000");
        });
        for (String[] of : new String[][] {{"text", "'string'"}, {"point", "'f32', 'f64'"}}) {
            String most = " GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 1";
            List<Object> found = http("SELECT point, device, count(*) FROM samples WHERE type IN (" + of[1] + ") AND " + window() + most).rows.get(0);
            LET.put(of[0], (String) found.get(0));
            LET.put("device", (String) found.get(1));
        }
    }

    static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t").replaceAll("\\p{Cntrl}", "") + "\"";
    }

    /** Reads JSON; numbers are BigDecimal. */
    static class Json {
        final Matcher words;

        Json(String text) {
            words = Pattern.compile("\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\"|[\\[\\]{}]|[^\\s,:\\[\\]{}\"]+").matcher(text);
            words.find();
        }

        Object value() {
            String word = words.group();
            if (word.equals("{") || word.equals("[")) {
                List<Object> all = new ArrayList<>();
                Map<String, Object> named = new LinkedHashMap<>();
                for (words.find(); !words.group().equals("}") && !words.group().equals("]"); ) all.add(value());
                words.find();
                for (int at = 0; word.equals("{") && at < all.size(); at += 2) named.put((String) all.get(at), all.get(at + 1));
                return word.equals("{") ? named : all;
            }
            words.find();
            if (!word.startsWith("\"")) return switch (word) {
                case "null" -> null;
                case "true", "false" -> word.equals("true");
                default -> new BigDecimal(word);
            };
            return Pattern.compile("\\\\(u(....)|.)").matcher(word.substring(1, word.length() - 1)).replaceAll(found -> {
                if (found.group(2) != null) return Matcher.quoteReplacement("" + (char) Integer.parseInt(found.group(2), 16));
                int at = "ntrbf".indexOf(found.group(1));
                return Matcher.quoteReplacement(at < 0 ? found.group(1) : "\n\t\r\b\f".substring(at, at + 1));
            });
        }
    }
}
