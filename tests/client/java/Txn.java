// Kafka's own client against a weir server: consume, transform, produce with exactly-once, transactions that are aborted
// between, a producer that is replaced. Usage: java Txn HOST:PORT
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class Txn {
    static final int RECORDS = 300, PARTS = 2;
    static String server;

    static KafkaProducer<String, String> producer(String id) {
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        if (id != null) p.put("transactional.id", id);
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group) {
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        p.put("group.id", group);
        p.put("isolation.level", "read_committed");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("max.poll.records", "17");
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static void must(boolean what, String text) {
        if (!what) throw new AssertionError(text);
    }

    static void rewind(KafkaConsumer<String, String> c) {
        Map<TopicPartition, OffsetAndMetadata> committed = c.committed(c.assignment());
        for (TopicPartition tp : c.assignment()) {
            OffsetAndMetadata at = committed.get(tp);
            if (at == null) c.seekToBeginning(List.of(tp));
            else c.seek(tp, at);
        }
    }

    static void copy(Admin admin) throws Exception {
        int round = 0, done = 0;
        short epoch = -1;
        try (KafkaConsumer<String, String> c = consumer("copy"); KafkaProducer<String, String> p = producer("copy")) {
            p.initTransactions();
            c.subscribe(List.of("in"));
            while (done < RECORDS) {
                ConsumerRecords<String, String> got = c.poll(Duration.ofMillis(500));
                if (got.isEmpty()) continue;
                p.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> r : got) {
                    p.send(new ProducerRecord<>("out", r.partition(), r.key(), "x" + r.value()));
                    offsets.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                p.sendOffsetsToTransaction(offsets, c.groupMetadata());
                if (++round % 3 == 0) {
                    p.abortTransaction();
                    rewind(c);
                } else {
                    p.commitTransaction();
                    done += got.count();
                }
                TransactionDescription d = admin.describeTransactions(List.of("copy")).description("copy").get();
                must(d.producerEpoch() > epoch, "each transaction has an epoch of its own");
                epoch = (short) d.producerEpoch();
            }
        }
        must(done == RECORDS, "copied " + done);
    }

    static void check() {
        List<String> seen = new ArrayList<>();
        try (KafkaConsumer<String, String> c = consumer("check")) {
            List<TopicPartition> parts =
                IntStream.range(0, PARTS).mapToObj(i -> new TopicPartition("out", i)).collect(Collectors.toList());
            c.assign(parts);
            c.seekToBeginning(parts);
            Map<TopicPartition, Long> ends = c.endOffsets(parts);
            while (parts.stream().anyMatch(tp -> c.position(tp) < ends.get(tp)))
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(200))) seen.add(r.value());
        }
        must(seen.size() == RECORDS, "read " + seen.size());
        must(new HashSet<>(seen).size() == RECORDS, "some twice");
    }

    static void fence() {
        try (KafkaProducer<String, String> a = producer("twin"); KafkaProducer<String, String> b = producer("twin")) {
            a.initTransactions();
            a.beginTransaction();
            a.send(new ProducerRecord<>("out", 0, "k", "never"));
            a.flush();
            b.initTransactions();
            try {
                a.commitTransaction();
                must(false, "the first producer is fenced");
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
            }
            b.beginTransaction();
            b.abortTransaction(); // nothing in it
        }
    }

    public static void main(String[] args) throws Exception {
        server = args[0];
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic("in", PARTS, (short) 1), new NewTopic("out", PARTS, (short) 1))).all().get();
            FinalizedVersionRange tv =
                admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version");
            must(tv != null && tv.maxVersionLevel() == 2, "transaction.version");
            try (KafkaProducer<String, String> in = producer(null)) {
                for (int i = 0; i < RECORDS; i++) in.send(new ProducerRecord<>("in", i % PARTS, "k" + i, "v" + i));
            }
            copy(admin);
            check();
            fence();
            check();
            Set<String> ids = admin.listTransactions().all().get().stream().map(TransactionListing::transactionalId).collect(Collectors.toSet());
            must(ids.equals(Set.of("copy", "twin")), "listed " + ids);
        }
        System.out.println("ok");
    }
}
