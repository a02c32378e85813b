// The kafkajs side of eos.py: node eos.js BROKER GROUP IN OUT ID STRATEGY INSTANCE JOURNAL, as client_eos copy. kafkajs 2.2.4
// sends no generation with a transaction's offsets: what keeps a late one out is its transactional id, so there is one
// member at a time, which takes the id before it reads. STRATEGY and INSTANCE are not for kafkajs. Any error that its own
// retries do not mend: exit 3.
const fs = require('fs');
const { Kafka, logLevel } = require('kafkajs');

const [broker, group, input, output, id, , , journal] = process.argv.slice(2);
const retry = { initialRetryTime: 30, maxRetryTime: 300, retries: 40 };
const kafka = new Kafka({
  clientId: id, brokers: [broker], logLevel: logLevel.NOTHING, retry, connectionTimeout: 1000, requestTimeout: 5000,
});
const producer = kafka.producer({
  transactionalId: id, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 10000, retry,
});
const consumer = kafka.consumer({
  groupId: group, readUncommitted: false, sessionTimeout: 1500, rebalanceTimeout: 3000, heartbeatInterval: 200,
  maxWaitTimeInMs: 20, retry,
});
const again = (e) => { console.error(String(e && e.stack)); process.exit(3); };

async function copy(partition, messages) {
  const t = await producer.transaction();
  const abort = Math.random() < 0.05;
  await t.send({
    topic: output,
    messages: messages.map((m) => (
      { key: m.key, partition, value: `${String(m.value).slice(0, -1)},"p":${partition},"o":${m.offset}}` })),
  });
  const offset = String(BigInt(messages[messages.length - 1].offset) + 1n);
  await t.sendOffsets({ consumerGroupId: group, topics: [{ topic: input, partitions: [{ partition, offset }] }] });
  if (abort) await t.abort();
  else await t.commit();
  fs.appendFileSync(journal, abort ? 'a' : 'c');
  return !abort;
}

(async () => {
  await producer.connect();
  await (await producer.transaction()).abort();
  consumer.on(consumer.events.CRASH, ({ payload }) => again(payload.error));
  await consumer.connect();
  await consumer.subscribe({ topic: input, fromBeginning: true });
  let busy = Promise.resolve();
  process.on('SIGTERM', async () => {
    await consumer.disconnect().catch(() => {});
    await busy.catch(() => {});
    process.exit(0);
  });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (let i = 0; i < batch.messages.length && isRunning() && !isStale();) {
        const some = batch.messages.slice(i, i + 1 + Math.floor(Math.random() * 5));
        busy = copy(batch.partition, some).catch(again);
        if (!(await busy)) continue; // aborted: the same again
        i += some.length;
        resolveOffset(some[some.length - 1].offset);
        await heartbeat();
      }
    },
  });
})().catch(again);
