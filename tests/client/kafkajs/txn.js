// kafkajs 2.2.4, transactions against a weir server: consume, transform, produce with offsets in the transaction, aborts
// between, and a producer that is replaced. Usage: node txn.js HOST:PORT
const assert = require('assert');
const { Kafka, logLevel } = require('kafkajs');

const kafka = new Kafka({ clientId: 'weir-txn', brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
const N = 40;

async function committed(admin, group) {
  const [t] = await admin.fetchOffsets({ groupId: group, topics: ['js-in'] });
  return t.partitions.reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0);
}

// Markers follow the answer of a commit.
async function expect(admin, offset) {
  let got;
  for (let i = 0; i < 100 && got !== offset; i++) {
    got = await committed(admin, 'js-copy');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.strictEqual(got, offset);
}

async function copy(admin) {
  const producer = kafka.producer({ transactionalId: 'js-copy', idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let i = 0; i < N; i++) {
    const t = await producer.transaction();
    await t.send({ topic: 'js-out', messages: [{ value: `${i}` }, { value: `${i}`, partition: 1 }] });
    await t.sendOffsets({ consumerGroupId: 'js-copy', topics: [{ topic: 'js-in', partitions: [{ partition: 0, offset: `${i + 1}` }] }] });
    if (i % 3 === 0) await t.abort();
    else await t.commit();
    if (i % 10 === 0) await expect(admin, i % 3 ? i + 1 : i);
  }
  await producer.disconnect();
  await expect(admin, N - 1); // the last one was aborted
}

async function check() {
  const consumer = kafka.consumer({ groupId: 'js-check', readUncommitted: false });
  const seen = new Map();
  let count = 0;
  const want = 2 * [...Array(N).keys()].filter((i) => i % 3).length;
  await consumer.connect();
  await consumer.subscribe({ topic: 'js-out', fromBeginning: true });
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`read ${count} of ${want}`)), 30000).unref();
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.set(String(message.value), (seen.get(String(message.value)) || 0) + 1);
        if (++count === want) setTimeout(resolve, 500); // none may follow
      },
    });
  });
  await consumer.disconnect();
  assert.strictEqual(count, want);
  for (let i = 0; i < N; i++) assert.strictEqual(seen.get(`${i}`), i % 3 ? 2 : undefined);
}

async function fence() {
  const make = () => kafka.producer({ transactionalId: 'js-twin', idempotent: true, maxInFlightRequests: 1, retry: { retries: 3 } });
  const first = make(), second = make();
  await first.connect();
  const t = await first.transaction();
  await t.send({ topic: 'js-out', messages: [{ value: 'never' }] });
  await second.connect();
  const u = await second.transaction();
  await assert.rejects(t.commit());
  await u.send({ topic: 'js-out', messages: [{ value: 'neither' }] });
  await u.abort();
  await first.disconnect();
  await second.disconnect();
}

(async () => {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'js-in' }, { topic: 'js-out', numPartitions: 2 }], waitForLeaders: true });
  await copy(admin);
  await fence();
  await check();
  await admin.disconnect();
  process.exit(0);
})().catch((e) => { console.error(e); process.exit(1); });
