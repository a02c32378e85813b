// Kafka's own consumer with group.protocol=consumer (KIP-848) against a weir server: a group that grows, shrinks and reads by
// pattern; offsets that are committed are found again, whoever is stale may not commit. Usage: java Group HOST:PORT
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

public class Group {
    static final int PARTS = 6, RECORDS = 600;
    static String server;

    static KafkaConsumer<String, String> consumer(String group, String instance) {
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        p.put("group.id", group);
        p.put("group.protocol", "consumer");
        if (instance != null) p.put("group.instance.id", instance);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("metadata.max.age.ms", "500");
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static void must(boolean what, String text) {
        if (!what) throw new AssertionError(text);
    }

    static void produce(String topic, String what) {
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        try (KafkaProducer<String, String> out = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < RECORDS; i++) out.send(new ProducerRecord<>(topic, i % PARTS, null, what + i));
        }
    }

    // Polls all until done says so; what they read goes to seen.
    static void poll(List<KafkaConsumer<String, String>> all, List<String> seen, java.util.function.BooleanSupplier done) {
        long until = System.currentTimeMillis() + 60000;
        while (!done.getAsBoolean()) {
            must(System.currentTimeMillis() < until, "in time: " + seen.size() + " read, assigned " +
                 all.stream().map(c -> c.assignment().toString()).collect(Collectors.joining(" | ")));
            for (KafkaConsumer<String, String> c : all)
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(50))) seen.add(r.value());
        }
    }

    static int owned(KafkaConsumer<String, String> c) { return c.assignment().size(); }

    static boolean apart(List<KafkaConsumer<String, String>> all) {
        Set<TopicPartition> seen = new HashSet<>();
        return all.stream().flatMap(c -> c.assignment().stream()).allMatch(seen::add);
    }

    static void grows(Admin admin) throws Exception {
        List<String> seen = new ArrayList<>();
        produce("read", "a");
        KafkaConsumer<String, String> one = consumer("grows", null), two = consumer("grows", null);
        one.subscribe(List.of("read"));
        poll(List.of(one), seen, () -> seen.size() == RECORDS && owned(one) == PARTS);
        one.commitSync();
        two.subscribe(List.of("read"));
        poll(List.of(one, two), seen, () -> owned(one) == PARTS / 2 && owned(two) == PARTS / 2);
        must(apart(List.of(one, two)), "nobody shares a partition");
        must(seen.size() == RECORDS, "nothing twice");
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of("grows")).describedGroups().get("grows").get();
        must(d.type() == GroupType.CONSUMER && d.members().size() == 2, "described " + d);
        must(d.members().stream().allMatch(m -> m.assignment().topicPartitions().size() == PARTS / 2), "described " + d);
        produce("read", "b");
        poll(List.of(one, two), seen, () -> seen.size() == 2 * RECORDS);
        one.commitSync();
        two.commitSync();
        two.close();
        poll(List.of(one), seen, () -> owned(one) == PARTS);
        must(seen.size() == 2 * RECORDS, "nothing twice after a member left");
        admin.createPartitions(Map.of("read", NewPartitions.increaseTo(PARTS + 2))).all().get();
        poll(List.of(one), seen, () -> owned(one) == PARTS + 2);
        one.close();
        Map<TopicPartition, OffsetAndMetadata> kept = admin.listConsumerGroupOffsets("grows").partitionsToOffsetAndMetadata().get();
        must(kept.values().stream().filter(o -> o != null).mapToLong(OffsetAndMetadata::offset).sum() == 2 * RECORDS, "kept " + kept);
    }

    static void pattern(Admin admin) throws Exception {
        List<String> seen = new ArrayList<>();
        try (KafkaConsumer<String, String> c = consumer("pattern", null)) {
            c.subscribe(new SubscriptionPattern("by-.*"));
            admin.createTopics(List.of(new NewTopic("by-one", PARTS, (short) 1))).all().get();
            poll(List.of(c), seen, () -> owned(c) == PARTS);
            admin.createTopics(List.of(new NewTopic("by-two", PARTS, (short) 1), new NewTopic("not-by", 1, (short) 1))).all().get();
            poll(List.of(c), seen, () -> owned(c) == 2 * PARTS);
            admin.deleteTopics(List.of("by-one")).all().get();
            poll(List.of(c), seen, () -> owned(c) == PARTS);
        }
    }

    // A static member that restarts gets its own share back, and the other keeps its.
    static void staticMember() {
        List<String> seen = new ArrayList<>();
        KafkaConsumer<String, String> one = consumer("static", "first"), two = consumer("static", "second");
        one.subscribe(List.of("read"));
        two.subscribe(List.of("read"));
        poll(List.of(one, two), seen, () -> owned(one) == 4 && owned(two) == 4);
        Set<TopicPartition> share = new HashSet<>(one.assignment()), other = new HashSet<>(two.assignment());
        one.close();
        for (int i = 0; i < 20; i++) two.poll(Duration.ofMillis(50));
        must(two.assignment().equals(other), "the share of who comes back is not given away");
        KafkaConsumer<String, String> again = consumer("static", "first");
        again.subscribe(List.of("read"));
        poll(List.of(again, two), seen, () -> owned(again) == 4);
        must(again.assignment().equals(share), "who comes back has what it had");
        again.close();
        two.close();
    }

    public static void main(String[] args) throws Exception {
        server = args[0];
        Properties p = new Properties();
        p.put("bootstrap.servers", server);
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic("read", PARTS, (short) 1))).all().get();
            grows(admin);
            pattern(admin);
            staticMember();
            Set<String> groups = admin.listGroups().all().get().stream().filter(g -> g.type().get() == GroupType.CONSUMER)
                                     .map(GroupListing::groupId).collect(Collectors.toSet());
            must(groups.equals(Set.of("grows", "pattern", "static")), "listed " + groups);
            admin.deleteConsumerGroups(List.of("grows")).all().get();
        }
        System.out.println("ok");
    }
}
