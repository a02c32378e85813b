// The Java side of eos.py: java Eos BROKER GROUP IN OUT ID STRATEGY INSTANCE JOURNAL, as client_eos copy.
import java.io.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class Eos {
    static final Random random = new Random();
    static volatile boolean stop;

    static Properties common(String broker) {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("reconnect.backoff.ms", "20");
        p.put("reconnect.backoff.max.ms", "100");
        p.put("retry.backoff.ms", "20");
        p.put("retry.backoff.max.ms", "200");
        return p;
    }

    static KafkaProducer<String, String> producer(String broker, String id) {
        Properties p = common(broker);
        p.put("transactional.id", id);
        p.put("transaction.timeout.ms", "4000");
        p.put("linger.ms", "0");
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String broker, String group, String strategy, String instance) {
        Properties p = common(broker);
        p.put("group.id", group);
        if (!instance.equals("-")) p.put("group.instance.id", instance);
        p.put("isolation.level", "read_committed");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("session.timeout.ms", "1500");
        p.put("heartbeat.interval.ms", "200");
        p.put("fetch.max.wait.ms", "20");
        p.put("max.poll.records", "5");
        p.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." +
              (strategy.equals("range") ? "RangeAssignor" : "CooperativeStickyAssignor"));
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static void rewind(KafkaConsumer<String, String> c) {
        Map<TopicPartition, OffsetAndMetadata> committed = c.committed(c.assignment());
        for (TopicPartition tp : c.assignment()) {
            OffsetAndMetadata at = committed.get(tp);
            if (at == null) c.seekToBeginning(List.of(tp));
            else c.seek(tp, at);
        }
    }

    static boolean transaction(KafkaProducer<String, String> p, ConsumerRecords<String, String> got, String out,
                               ConsumerGroupMetadata group) {
        try {
            p.beginTransaction();
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (ConsumerRecord<String, String> r : got) {
                String place = ",\"p\":" + r.partition() + ",\"o\":" + r.offset() + "}";
                String v = r.value().substring(0, r.value().length() - 1) + place;
                p.send(new ProducerRecord<>(out, r.partition(), r.key(), v));
                offsets.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
            }
            p.sendOffsetsToTransaction(offsets, group);
            if (random.nextInt(20) > 0) {
                while (true) {
                    try {
                        p.commitTransaction();
                        return true;
                    } catch (TimeoutException e) { // to be called again
                    }
                }
            }
        } catch (ProducerFencedException | InvalidProducerEpochException | OutOfOrderSequenceException e) {
            throw e;
        } catch (KafkaException e) {
            System.err.println("aborting: " + e);
        }
        p.abortTransaction();
        return false;
    }

    public static void main(String[] args) throws Exception {
        Thread main = Thread.currentThread();
        Thread hook = new Thread(() -> {
            stop = true;
            try {
                main.join(20000);
            } catch (InterruptedException e) {
            }
        });
        Runtime.getRuntime().addShutdownHook(hook);
        try (FileOutputStream journal = new FileOutputStream(args[7], true);
             KafkaProducer<String, String> p = producer(args[0], args[4]);
             KafkaConsumer<String, String> c = consumer(args[0], args[1], args[5], args[6])) {
            p.initTransactions();
            c.subscribe(List.of(args[2]));
            while (!stop) {
                ConsumerRecords<String, String> got = c.poll(Duration.ofMillis(100));
                if (got.isEmpty()) continue;
                boolean committed = transaction(p, got, args[3], c.groupMetadata());
                if (!committed) rewind(c);
                journal.write(committed ? 'c' : 'a');
            }
        } catch (KafkaException e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(3);
        }
    }
}
