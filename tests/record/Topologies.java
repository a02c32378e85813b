import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;
import org.apache.kafka.streams.test.TestRecord;

/* What Kafka Streams makes of the records on standard input, topology by topology: the other side of record.py, which has the
 * same topologies in SQL under the same names. Caches are off. Input: {"topic", "key", "value", "timestamp"} a line; output:
 * {"to", "key", "window", "value", "timestamp", "step"} a line; step:
 * the number of the record that made it. */
public class Topologies {
    static final ObjectMapper json = new ObjectMapper();
    static final Map<String, Consumer<StreamsBuilder>> all = new LinkedHashMap<>();
    static final Consumed<String, String> text = Consumed.with(Serdes.String(), Serdes.String());
    static final Grouped<String, String> grouped = Grouped.with(Serdes.String(), Serdes.String());

    static JsonNode parse(String s) {
        try {
            return json.readTree(s);
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    static String field(String value, String name) {
        JsonNode f = value == null ? null : parse(value).get(name);
        return f == null || f.isNull() ? null : f.asText();
    }

    static Long number(String value, String name) {
        String s = field(value, name);
        return s == null ? null : Long.valueOf(s);
    }

    /* "a", 1, "b", null -> {"a":1,"b":null} */
    static String object(Object... parts) {
        ObjectNode o = json.createObjectNode();
        for (int i = 0; i < parts.length; i += 2)
            o.set((String)parts[i], json.valueToTree(parts[i + 1]));
        return o.toString();
    }

    static boolean above(String value, long least) { return number(value, "v") != null && number(value, "v") > least; }

    /* ---- Aggregates: {"rows", "values"}, of which the result is computed. A group without rows is none. */

    static String init() { return "{\"rows\":0,\"values\":[]}"; }

    static String add(String state, String value) {
        ObjectNode o = (ObjectNode)parse(state);
        o.put("rows", o.get("rows").asLong() + 1);
        if (number(value, "v") != null)
            ((ArrayNode)o.get("values")).add(number(value, "v"));
        return o.toString();
    }

    static String remove(String state, String value) {
        ObjectNode o = (ObjectNode)parse(state);
        ArrayNode values = (ArrayNode)o.get("values");
        o.put("rows", o.get("rows").asLong() - 1);
        for (int i = 0; number(value, "v") != null && i < values.size(); i++)
            if (values.get(i).asLong() == number(value, "v")) {
                values.remove(i);
                break;
            }
        return o.get("rows").asLong() == 0 ? null : o.toString();
    }

    static String merge(String a, String b) {
        ObjectNode o = (ObjectNode)parse(a);
        o.put("rows", o.get("rows").asLong() + parse(b).get("rows").asLong());
        ((ArrayNode)o.get("values")).addAll((ArrayNode)parse(b).get("values"));
        return o.toString();
    }

    static String result(String state) {
        if (state == null)
            return null;
        List<Long> values = new ArrayList<>();
        parse(state).get("values").forEach(v -> values.add(v.asLong()));
        Long sum = values.isEmpty() ? null : values.stream().mapToLong(v -> v).sum();
        return object("n", parse(state).get("rows").asLong(), "s", sum, "least", values.isEmpty() ? null : Collections.min(values),
                      "most", values.isEmpty() ? null : Collections.max(values));
    }

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> kept() {
        return Materialized.with(Serdes.String(), Serdes.String());
    }

    static KTable<String, String> aggregated(KGroupedStream<String, String> g) {
        return g.aggregate(Topologies::init, (k, v, a) -> add(a, v), kept());
    }

    static KTable<Windowed<String>, String> aggregated(TimeWindowedKStream<String, String> g) {
        return g.aggregate(Topologies::init, (k, v, a) -> add(a, v), Materialized.with(Serdes.String(), Serdes.String()));
    }

    /* kept: gap, grace, and a millisecond, without which the store has lost a session that is not over yet. */
    static KTable<Windowed<String>, String> aggregated(SessionWindowedKStream<String, String> g, Duration kept) {
        return g.aggregate(Topologies::init, (k, v, a) -> add(a, v), (k, a, b) -> merge(a, b),
                           Materialized.<String, String, SessionStore<Bytes, byte[]>>with(Serdes.String(), Serdes.String()).withRetention(kept));
    }

    static void write(KTable<String, String> t) { t.toStream().to("out", Produced.with(Serdes.String(), Serdes.String())); }

    /* The window goes in front of the key: the driver's consumers need no size. */
    static void writeWindows(KTable<Windowed<String>, String> t, boolean results) {
        t.toStream((w, v) -> w.window().start() + " " + w.window().end() + " " + w.key())
            .mapValues(v -> results ? result(v) : v)
            .to("out", Produced.with(Serdes.String(), Serdes.String()));
    }

    static KStream<String, String> stream(StreamsBuilder b, String name) { return b.stream(name, text); }

    static KTable<String, String> table(StreamsBuilder b, String name) {
        return b.table(name, text, kept());
    }

    static Duration s(long n) { return Duration.ofSeconds(n); }

    static KGroupedStream<String, String> byG(StreamsBuilder b) {
        return stream(b, "l").groupBy((k, v) -> field(v, "g"), grouped);
    }

    static final ValueJoiner<String, String, String> both = (l, r) -> object("lv", number(l, "v"), "rv", number(r, "v"));

    static StreamJoined<String, String, String> kinds() {
        return StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String())
            .withDslStoreSuppliers(new BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers());
    }

    interface StreamJoin {
        KStream<String, String> join(KStream<String, String> l, KStream<String, String> r, JoinWindows w,
                                     StreamJoined<String, String, String> how);
    }

    static void streams(String name, StreamJoin join, JoinWindows w) {
        all.put(name, b -> join.join(stream(b, "l"), stream(b, "r"), w, kinds()).to("out", Produced.with(Serdes.String(), Serdes.String())));
    }

    static void windows(String name, java.util.function.Function<StreamsBuilder, KTable<Windowed<String>, String>> make, boolean last) {
        all.put(name, b -> {
            KTable<Windowed<String>, String> t = make.apply(b);
            writeWindows(last ? t.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())) : t, true);
        });
    }

    static void define() {
        Produced<String, String> as = Produced.with(Serdes.String(), Serdes.String());
        all.put("filter", b -> stream(b, "l").filter((k, v) -> above(v, 4))
            .mapValues(v -> object("g", field(v, "g"), "twice", number(v, "v") * 2)).to("out", as));
        all.put("rekey", b -> stream(b, "l").map((k, v) -> KeyValue.pair(field(v, "g"), object("k", k, "v", number(v, "v"))))
            .to("out", as));
        all.put("table_filter", b -> write(table(b, "t").filter((k, v) -> above(v, 4))
            .mapValues(v -> object("g", field(v, "g"), "v", number(v, "v")))));
        all.put("by_key", b -> write(aggregated(stream(b, "l").groupByKey(grouped)).mapValues(Topologies::result)));
        all.put("by_column", b -> write(aggregated(byG(b)).mapValues(Topologies::result)));
        all.put("having", b -> write(aggregated(byG(b)).mapValues(Topologies::result)
            .filter((k, v) -> number(v, "n") % 2 == 1)));
        all.put("table_aggregate", b -> write(table(b, "t").groupBy((k, v) -> KeyValue.pair(field(v, "g"), v), grouped)
            .aggregate(Topologies::init, (k, v, a) -> add(a, v), (k, v, a) -> remove(a, v), kept()).mapValues(Topologies::result)));

        TimeWindows tumbling = TimeWindows.ofSizeAndGrace(s(10), s(5));
        TimeWindows hopping = TimeWindows.ofSizeAndGrace(s(10), s(3)).advanceBy(s(4));
        SessionWindows session = SessionWindows.ofInactivityGapAndGrace(s(4), s(3));
        windows("tumbling", b -> aggregated(byG(b).windowedBy(tumbling)), false);
        windows("hopping", b -> aggregated(byG(b).windowedBy(hopping)), false);
        windows("session", b -> aggregated(byG(b).windowedBy(session), Duration.ofMillis(7001)), false);
        windows("tumbling_final", b -> aggregated(byG(b).windowedBy(tumbling)), true);
        windows("hopping_final", b -> aggregated(byG(b).windowedBy(hopping)), true);
        /* suppress() takes sessions for over that end at gap and grace before, which still grow: no record comes just then */
        SessionWindows uneven = SessionWindows.ofInactivityGapAndGrace(Duration.ofMillis(4050), s(3));
        windows("session_final", b -> aggregated(byG(b).windowedBy(uneven), Duration.ofMillis(7051)), true);

        JoinWindows near = JoinWindows.ofTimeDifferenceAndGrace(s(4), s(2));
        JoinWindows skewed = near.before(s(3)).after(s(5));
        streams("streams_inner", (l, r, w, how) -> l.join(r, both, w, how), near);
        streams("streams_left", (l, r, w, how) -> l.leftJoin(r, both, w, how), near);
        streams("streams_outer", (l, r, w, how) -> l.outerJoin(r, both, w, how), near);
        streams("streams_skewed_inner", (l, r, w, how) -> l.join(r, both, w, how), skewed);
        streams("streams_skewed_left", (l, r, w, how) -> l.leftJoin(r, both, w, how), skewed);
        streams("streams_skewed_outer", (l, r, w, how) -> l.outerJoin(r, both, w, how), skewed);

        all.put("stream_table_inner", b -> stream(b, "l").join(table(b, "t"), both, Joined.with(Serdes.String(), Serdes.String(), Serdes.String())).to("out", as));
        all.put("stream_table_left", b -> stream(b, "l").leftJoin(table(b, "t"), both, Joined.with(Serdes.String(), Serdes.String(), Serdes.String())).to("out", as));
        all.put("tables_inner", b -> write(table(b, "t").join(table(b, "u"), both, kept())));
        all.put("tables_left", b -> write(table(b, "t").leftJoin(table(b, "u"), both, kept())));
        all.put("tables_outer", b -> write(table(b, "t").outerJoin(table(b, "u"), both, kept())));
        all.put("foreign_inner", b -> write(table(b, "t").join(table(b, "p"), v -> field(v, "g"), both, kept())));
        all.put("foreign_left", b -> write(table(b, "t").leftJoin(table(b, "p"), v -> field(v, "g"), both, kept())));
        all.put("join_aggregate", b -> write(table(b, "t").join(table(b, "u"), (l, r) -> l, kept())
            .groupBy((k, v) -> KeyValue.pair(field(v, "g"), v), grouped)
            .aggregate(Topologies::init, (k, v, a) -> add(a, v), (k, v, a) -> remove(a, v), kept()).mapValues(Topologies::result)));
    }

    static void run(String name, Consumer<StreamsBuilder> define, List<JsonNode> records, PrintStream out) throws Exception {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        p.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class.getName());
        StreamsBuilder builder = new StreamsBuilder();
        define.accept(builder);
        Topology topology = builder.build();
        String shown = topology.describe().toString();
        try (TopologyTestDriver driver = new TopologyTestDriver(topology, p, Instant.ofEpochMilli(0))) {
            Map<String, TestInputTopic<String, String>> in = new HashMap<>();
            for (String t : List.of("l", "r", "t", "u", "p"))
                if (shown.contains("topics: [" + t + "]"))
                    in.put(t, driver.createInputTopic(t, new StringSerializer(), new StringSerializer()));
            TestOutputTopic<String, String> got = driver.createOutputTopic("out", new StringDeserializer(), new StringDeserializer());
            boolean windowed = name.startsWith("tumbling") || name.startsWith("hopping") || name.startsWith("session");
            for (int i = 0; i < records.size(); i++) {
                JsonNode r = records.get(i);
                TestInputTopic<String, String> topic = in.get(r.get("topic").asText());
                if (topic == null)
                    continue;
                look(driver);
                topic.pipeInput(r.get("key").isNull() ? null : r.get("key").asText(),
                                r.get("value").isNull() ? null : r.get("value").toString(), r.get("timestamp").asLong());
                for (TestRecord<String, String> made : got.readRecordsToList())
                    out.println(line(name, windowed, i, made));
            }
        }
    }

    static Object get(Object from, String name) throws Exception {
        for (Class<?> c = from.getClass(); c != null; c = c.getSuperclass())
            for (java.lang.reflect.Field f : c.getDeclaredFields())
                if (f.getName().equals(name)) {
                    f.setAccessible(true);
                    return f.get(from);
                }
        return null;
    }

    /* Stream-stream joins look for rows whose time is over once a second of wall clock, and skip even that while the last one they
     * saw was not over, though others are: a saving that delays rows. Here they look at each record. */
    static void look(TopologyTestDriver driver) throws Exception {
        driver.advanceWallClockTime(s(60));
        Object task = get(driver, "task");
        if (task == null)
            return;
        for (Object node : (List<?>)get(get(task, "topology"), "processorNodes")) {
            Object processor = get(node, "processor"), tracker = processor == null ? null : get(processor, "sharedTimeTracker");
            if (tracker == null)
                continue;
            java.lang.reflect.Field least = tracker.getClass().getDeclaredField("minTime");
            least.setAccessible(true);
            least.set(tracker, -1000000000L);
        }
    }

    static ObjectNode line(String name, boolean windowed, int step, TestRecord<String, String> r) {
        ObjectNode o = json.createObjectNode();
        String[] parts = windowed ? r.key().split(" ", 3) : null;
        o.put("to", name);
        o.put("key", windowed ? parts[2] : r.key());
        o.set("window", windowed ? json.createArrayNode().add(Long.valueOf(parts[0])).add(Long.valueOf(parts[1])) : null);
        o.set("value", r.value() == null ? null : parse(r.value()));
        o.put("timestamp", r.timestamp());
        o.put("step", step);
        return o;
    }

    public static void main(String[] args) throws Exception {
        List<JsonNode> records = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line; (line = in.readLine()) != null;)
            records.add(json.readTree(line));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        define();
        for (Map.Entry<String, Consumer<StreamsBuilder>> t : all.entrySet())
            run(t.getKey(), t.getValue(), records, out);
        out.flush();
    }
}
