// kafkajs 2.2.4 against a weir server: admin, produce with and without gzip, a consumer group. What was produced is judged
// by its offsets here and read back by kafkajs.sh. Usage: node test.js HOST:PORT
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

function wait(what, done) {
  return new Promise((resolve, reject) => {
    const until = Date.now() + 40000;
    const look = () => (done() ? resolve() : Date.now() > until ? reject(new Error(`no ${what}`)) : setTimeout(look, 50));
    look();
  });
}

// Runs a consumer of js-g that notes what it reads and how often it has joined.
async function consumer(seen, groupId, onJoin) {
  const c = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 8000, retry: { retries: 5 } });
  c.on(c.events.GROUP_JOIN, (e) => onJoin(e.payload));
  await c.connect();
  await c.subscribe({ topic: 'js-g', fromBeginning: true });
  await c.run({
    autoCommitInterval: 100,
    eachMessage: async ({ message }) => { const v = message.value.toString(); seen.set(v, (seen.get(v) || 0) + 1); },
  });
  return c;
}

async function groups() {
  const a = kafka.admin();
  await a.connect();
  await a.createTopics({ topics: [{ topic: 'js-g', numPartitions: 4 }], waitForLeaders: true });
  const p = kafka.producer();
  await p.connect();
  const produce = (from, n) => p.send({ topic: 'js-g', messages: Array.from({ length: n }, (_, i) => ({ value: `${from + i}`, partition: (from + i) % 4 })) });
  await produce(0, 100);
  const seen = new Map();
  const share = [0, 0];
  const member = (i) => consumer(seen, 'js', (g) => { share[i] = (g.memberAssignment['js-g'] || []).length; });
  const one = await member(0);
  await wait('first share', () => share[0] === 4 && seen.size === 100);
  const two = await member(1); // the first joins again
  await wait('two shares', () => share[0] === 2 && share[1] === 2);
  await produce(100, 100);
  await wait('200 messages', () => seen.size === 200);
  const described = (await a.describeGroups(['js'])).groups[0];
  assert.strictEqual(described.state, 'Stable');
  assert.strictEqual(described.members.length, 2);
  assert.strictEqual(described.protocolType, 'consumer');
  assert((await a.listGroups()).groups.some((g) => g.groupId === 'js'));
  await assert.rejects(a.deleteGroups(['js'])); // it has members
  await one.disconnect();
  await wait('all for the second', () => share[1] === 4);
  await produce(200, 100);
  await wait('300 messages', () => seen.size === 300);
  await two.commitOffsets([0, 1, 2, 3].map((partition) => ({ topic: 'js-g', partition, offset: '75' })));
  await two.disconnect();
  const offsets = (await a.fetchOffsets({ groupId: 'js', topics: ['js-g'] }))[0].partitions;
  assert(offsets.every((o) => o.offset === '75'), JSON.stringify(offsets));
  await produce(300, 4);
  const later = new Map();
  const three = await consumer(later, 'js', () => {});
  await wait('the new ones', () => later.size === 4);
  assert([...later.keys()].every((v) => Number(v) >= 300)); // what was committed does not come again
  await three.disconnect();
  await a.resetOffsets({ groupId: 'js', topic: 'js-g', earliest: true });
  await a.deleteGroups(['js']);
  assert(!(await a.listGroups()).groups.some((g) => g.groupId === 'js'));
  await p.disconnect();
  await a.disconnect();
}

admin().then(produce).then(groups).then(() => console.log('ok kafkajs'), (err) => {
  console.error('FAIL', err);
  process.exit(1);
});
