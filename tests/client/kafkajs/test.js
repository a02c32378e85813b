// kafkajs 2.2.4 against a weir server: admin, and produce with and without gzip. Its consumer needs groups, so what was
// produced is judged by its offsets here and read back by kafkajs.sh. Usage: node test.js HOST:PORT
const assert = require('assert');
const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = require('kafkajs');

const kafka = new Kafka({ clientId: 'weir-test', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 2 } });

async function admin() {
  const a = kafka.admin();
  await a.connect();
  const config = [{ name: 'retention.ms', value: '-1' }];
  const topics = [{ topic: 'js-a', numPartitions: 3, configEntries: config }, { topic: 'js-b' }];
  assert.strictEqual(await a.createTopics({ topics, waitForLeaders: true }), true);
  assert.strictEqual(await a.createTopics({ topics }), false); // they exist
  await assert.rejects(a.createTopics({ topics: [{ topic: 'not good' }] }));
  const names = await a.listTopics();
  assert(names.includes('js-a') && names.includes('js-b'));
  await a.createPartitions({ topicPartitions: [{ topic: 'js-b', count: 2 }] });
  const md = await a.fetchTopicMetadata({ topics: ['js-a', 'js-b'] });
  assert.deepStrictEqual(md.topics.map((t) => `${t.name} ${t.partitions.length}`).sort(), ['js-a 3', 'js-b 2']);
  const described = await a.describeConfigs({
    includeSynonyms: true,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js-a', configNames: ['retention.ms'] }],
  });
  assert.strictEqual(described.resources[0].configEntries[0].configValue, '-1');
  const cluster = await a.describeCluster();
  assert.strictEqual(cluster.brokers.length, 1);
  assert.strictEqual(`${cluster.brokers[0].host}:${cluster.brokers[0].port}`, process.argv[2]);
  await a.deleteTopics({ topics: ['js-b'] });
  assert(!(await a.listTopics()).includes('js-b'));
  await assert.rejects(a.fetchTopicMetadata({ topics: ['js-b'] }));
  await a.disconnect();
}

async function produce() {
  const a = kafka.admin();
  await a.connect();
  for (const [compression, idempotent] of [[CompressionTypes.None, false], [CompressionTypes.GZIP, false], [CompressionTypes.GZIP, true]]) {
    const p = kafka.producer({ idempotent, allowAutoTopicCreation: false });
    await p.connect();
    for (let round = 0; round < 3; round++) {
      const messages = [];
      for (let i = 0; i < 100; i++) {
        messages.push({ key: `k${i}`, value: i % 10 === 0 ? null : `value ${round} ${i}`, partition: i % 3,
                        headers: { h: `header ${i}` }, timestamp: String(1700000000000 + i) });
      }
      const acked = await p.send({ topic: 'js-a', compression, acks: -1, messages });
      assert.strictEqual(acked.length, 3);
      assert(acked.every((r) => r.errorCode === 0));
    }
    await p.disconnect();
  }
  const offsets = await a.fetchTopicOffsets('js-a');
  assert.deepStrictEqual(offsets.sort((x, y) => x.partition - y.partition).map((o) => o.high), ['306', '297', '297']);
  assert(offsets.every((o) => o.low === '0'));
  const byTime = await a.fetchTopicOffsetsByTimestamp('js-a', 1700000000000);
  assert(byTime.every((o) => o.offset === '0'));
  await a.deleteTopicRecords({ topic: 'js-a', partitions: [{ partition: 1, offset: '100' }] });
  const after = await a.fetchTopicOffsets('js-a');
  assert.strictEqual(after.find((o) => o.partition === 1).low, '100');
  await a.disconnect();
}

admin().then(produce).then(() => console.log('ok kafkajs'), (err) => {
  console.error('FAIL', err);
  process.exit(1);
});
