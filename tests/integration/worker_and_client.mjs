// A client and a ten-line worker in JavaScript, with nothing but gRPC.
//
//   npm install @grpc/grpc-js @grpc/proto-loader
//   node tests/integration/worker_and_client.mjs 127.0.0.1:7733
//
// The packages are looked for where NODE_PATH says, and else in the current folder.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(`${process.env.NODE_PATH ?? process.cwd()}/`);
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = fileURLToPath(new URL('../../proto', import.meta.url));
const definition = loader.loadSync(
  ['treadle/v1/task_service.proto', 'treadle/v1/worker_service.proto'],
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true },
);
const treadle = grpc.loadPackageDefinition(definition).treadle.v1;

// A call as a promise, with a deadline.
function call(service, method) {
  const invoke = promisify(service[method]).bind(service);
  return (request) => invoke(request, { deadline: Date.now() + 40_000 });
}

async function work(service, stop) {
  const [lease, complete, extend] = ['Lease', 'Complete', 'Extend'].map((m) => call(service, m));
  while (!stop.requested) {
    const leased = await lease({
      queues: ['texts'], types: ['reverse'], max_tasks: 100, lease_ms: 10_000, wait_ms: 500,
      worker_name: 'node',
    });
    const reports = [];
    for (const { token, payload } of leased.tasks) {
      // Work that takes longer than its lease extends it now and then.
      if (payload.toString() === 'slow') await extend({ leases: [{ token, lease_ms: 10_000 }] });
      const result = Buffer.from([...payload.toString()].reverse().join(''));
      reports.push({ token, end: 'ATTEMPT_END_SUCCEEDED', result });
    }
    if (reports.length > 0) await complete({ reports });
  }
}

// One task.
async function submit(service, text) {
  const task = { queue: 'texts', type: 'reverse', payload: Buffer.from(text) };
  return (await call(service, 'Submit')({ tasks: [task] })).results;
}

// One task for each text.
async function submitAll(service, texts) {
  const common = { queue: 'texts', type: 'reverse' };
  const payloads = texts.map((text) => Buffer.from(text));
  return (await call(service, 'SubmitRun')({ common, payloads })).results;
}

// The results, in the order of the submits.
async function fetchAll(service, submitted) {
  const await_task = call(service, 'AwaitTask');
  const results = [];
  for (const { task_id, status } of submitted) {
    if (task_id === '') throw new Error(status.message); // refused
    const { finished, outcome } = await await_task({ task_id, timeout_ms: 30_000 });
    if (!finished || outcome.state !== 'TASK_STATE_SUCCEEDED') {
      throw new Error(`${task_id}: ${outcome?.error?.message ?? 'not yet'}`);
    }
    results.push(outcome.result.toString());
  }
  return results;
}

const address = process.argv[2];
const credentials = grpc.credentials.createInsecure();
const texts = Array.from({ length: 1_000 }, (_, number) => `warp and weft ${number}`);
const tasks = new treadle.TaskService(address, credentials);
const workers = new treadle.WorkerService(address, credentials);
const stop = { requested: false };
const worker = work(workers, stop);
try {
  const alone = await fetchAll(tasks, await submit(tasks, 'slow'));
  const results = await fetchAll(tasks, await submitAll(tasks, texts));
  console.log(results.slice(0, 3).join('\n'));
  const wanted = texts.map((text) => [...text].reverse().join(''));
  if (alone.join() !== 'wols' || results.join() !== wanted.join()) {
    throw new Error('the results are not what was asked for');
  }
  console.log(`${results.length} results fetched`);
} finally {
  stop.requested = true;
  await worker;
  tasks.close();
  workers.close();
}
