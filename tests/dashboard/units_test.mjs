// The dashboard's rules that need no browser: what JSON leaves out, the words of a filter, numbers
// and times, charts, actions on many things.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const sources = fileURLToPath(new URL('../../server/dashboard', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'treadle-units-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function load(name) {
  const outfile = path.join(folder, `${path.basename(name)}.mjs`);
  const flags = ['--bundle', '--format=esm', '--log-level=warning', `--outfile=${outfile}`];
  execFileSync('esbuild', [path.join(sources, `${name}.ts`), ...flags]);
  return import(pathToFileURL(outfile));
}

test('what JSON leaves out is there, and 64 bits are numbers', async () => {
  const { decode } = await load('wire');
  const shapes = {
    Queue: {
      name: 'string',
      state: 'STATE_NONE',
      stats: '?Stats',
      tags: '[]string',
      paused: 'boolean',
    },
    Stats: { queued: 'number', rates: '[]number' },
  };
  assert.deepEqual(decode(shapes, 'Queue', {}), {
    name: '',
    state: 'STATE_NONE',
    stats: undefined,
    tags: [],
    paused: false,
  });
  const stats = { queued: '9007199254740991', rates: ['1', 2.5] };
  assert.deepEqual(decode(shapes, 'Queue', { stats }).stats, {
    queued: 9007199254740991,
    rates: [1, 2.5],
  });
});

test('a link to a state changes that word of a filter, and no other', async () => {
  const { statesIn, withState } = await load('search');
  const filter = 'queue:mail state:failed error~"state: \\"gone\\" for good" age>5m';
  assert.equal(statesIn(filter), 'failed');
  const others = 'queue:mail error~"state: \\"gone\\" for good" age>5m';
  assert.equal(withState(filter, 'queued'), `${others} state:queued`);
  assert.equal(withState(filter), others);
  assert.equal(withState('-state:failed state:queued,running'), '');
  assert.equal(statesIn(others), '');
  // Somebody is still writing.
  assert.equal(withState('error~"timed out', 'failed'), 'error~"timed out state:failed');
});

test('a job gets the words of a filter that are not about the order', async () => {
  const { withoutOrder } = await load('search');
  assert.equal(
    withoutOrder(' queue:mail sort:-age error~"sort: this" '),
    'queue:mail error~"sort: this"',
  );
  assert.equal(withoutOrder('sort:age'), '');
});

test('a task id is known from a text to look for', async () => {
  const { taskIdOf } = await load('search');
  assert.equal(taskIdOf(' cnsef1k6a7-1k9 '), 'cnsef1k6a7-1k9');
  for (const text of ['exec-test', 'id:cnsef1k6a7-1k9', 'cnsef1k6a7-1k9 failed', ''])
    assert.equal(taskIdOf(text), undefined);
});

test('names are words of a filter, in quotes where the broker wants them', async () => {
  const { searchText } = await load('search');
  const words = { queue: 'my mail', type: '', worker: 'a"b\\c', state: 'failed' };
  assert.equal(searchText(words), 'queue:"my mail" worker:"a\\"b\\\\c" state:failed');
  for (const queue of ['a,b', 'all*', '>5'])
    assert.equal(searchText({ queue }), `queue:"${queue}"`);
  assert.equal(searchText({ queue: 'x:y-z.1' }), 'queue:x:y-z.1');
});

test('a word that was begun is completed, whatever stands before it', async () => {
  const { completionsOf } = await load('search');
  assert.deepEqual(completionsOf('error~"a b" sta'), ['error~"a b" state:']);
  assert.deepEqual(completionsOf('-err'), ['-error~', '-error_type:']);
  assert.deepEqual(completionsOf('-so'), []);
  assert.deepEqual(completionsOf('x state:f'), ['x state:failed']);
  assert.deepEqual(completionsOf('error~"timed sta'), []);
  const offered = completionsOf('');
  const grammar = readFileSync(path.join(sources, '../search.md'), 'utf8');
  const table = grammar.slice(grammar.indexOf('| field |'));
  const fields = [...table.matchAll(/^\| `([a-z_.]+)(?:NAME)?` \|/gm)].map(([, field]) => field);
  assert(fields.length > 10);
  for (const field of fields)
    assert(
      offered.some((word) => word.startsWith(field) && !/^[a-z_]/.test(word.slice(field.length))),
      field,
    );
});

test('a search as a command finds the same', async () => {
  const { searchCommand } = await load('search');
  assert.deepEqual(searchCommand(''), ['treadle', 'task', 'list', '--all']);
  assert.deepEqual(searchCommand('age>5m '), ['treadle', 'task', 'list', 'age>5m', '--all']);
  assert.deepEqual(searchCommand('-a b'), ['treadle', 'task', 'list', ' -a b', '--all']);
  assert.deepEqual(searchCommand('state:failed x'), ['treadle', 'task', 'list', 'state:failed x']);
});

test('numbers, sizes and times for people', async () => {
  const { bytes, counted, duration, shellWord } = await load('format');
  assert.deepEqual([0, 1023, 1536, 4 * 2 ** 30].map(bytes), ['0 B', '1023 B', '1.5 KiB', '4 GiB']);
  assert.deepEqual([0, 999, 4_200, 59_000, 185_000, 11_100_000, 1_209_600_000].map(duration), [
    '0 ms',
    '999 ms',
    '4.2 s',
    '59 s',
    '3 min 5 s',
    '3 h 5 min',
    '14 d',
  ]);
  assert.equal(counted(1, 'task'), '1 task');
  assert.equal(counted(2_000, 'task'), '2,000 tasks');
  assert.equal(shellWord('plain/word'), 'plain/word');
  assert.equal(shellWord("it's $HOME"), `'it'\\''s $HOME'`);
});

test('what people type for a bound', async () => {
  const { BYTE_UNITS, COUNT_UNITS, TIME_UNITS, parseAmount } = await load('format');
  assert.equal(parseAmount('10k', COUNT_UNITS), 10_000);
  assert.equal(parseAmount('1.5 GiB', BYTE_UNITS), 1.5 * 2 ** 30);
  assert.equal(parseAmount('14 d', TIME_UNITS), 14 * 86_400_000);
  assert.equal(parseAmount('many', COUNT_UNITS), undefined);
  assert.equal(parseAmount('5 parsecs', TIME_UNITS), undefined);
});

// An action that notes what it was asked, and refuses 13.
function noting() {
  const asked = [];
  const act = async (items, values) => {
    asked.push({ items, values });
    return items.map((item) => (item === 13 ? { problem: 'unlucky' } : {}));
  };
  return { asked, action: { kind: (item) => (item % 2 ? 'odd' : 'even'), act } };
}

test('an action goes through all pages, and counts what was refused', async () => {
  const { run, here } = await load('actions/bulk');
  const { asked, action } = noting();
  const items = Array.from({ length: 250 }, (_, i) => i);
  let last;
  const tell = (progress) => (last = progress);
  await run(action, here('all', 'All', items), { reason: 'r' }, tell, new AbortController().signal);
  assert.deepEqual(
    asked.map((call) => call.items.length),
    [100, 100, 50],
  );
  assert.deepEqual(asked[0].values, { reason: 'r' });
  assert.equal(last.seen, 250);
  assert.equal(last.done, 249);
  assert.deepEqual([...last.refused], [['unlucky', 1]]);
});

test('a dry run counts and does nothing', async () => {
  const { run, here } = await load('actions/bulk');
  const { asked, action } = noting();
  let last;
  const tell = (progress) => (last = progress);
  const { signal } = new AbortController();
  await run(action, here('all', 'All', [1, 2, 3]), undefined, tell, signal);
  assert.equal(asked.length, 0);
  assert.deepEqual(
    [...last.kinds],
    [
      ['odd', 2],
      ['even', 1],
    ],
  );
});

test('an action that is stopped says how far it came', async () => {
  const { run, here } = await load('actions/bulk');
  const { action } = noting();
  const abort = new AbortController();
  let last;
  const tell = (progress) => {
    last = progress;
    abort.abort();
  };
  const items = Array.from({ length: 250 }, (_, i) => i);
  await assert.rejects(run(action, here('all', 'All', items), {}, tell, abort.signal));
  assert.equal(last.seen, 100);
});

test('one call that fails is told beside those that did not', async () => {
  const { eachOf } = await load('actions/bulk');
  const results = await eachOf([1, 2, 3], async (item) => {
    if (item === 2) throw new Error('no');
  });
  assert.deepEqual(results, [{}, { problem: 'no' }, {}]);
});

const STEP_MS = 5_000;
const chartsOf = (timeMs, failedPerSecond = timeMs.map(() => 1)) => ({
  stepMs: STEP_MS,
  timeMs,
  failedPerSecond,
});

test('charts are followed by the rows that are new, for as long as their span', async () => {
  const { follow } = await load('chart_history');
  const spanMs = 4 * STEP_MS;
  const kept = chartsOf([5_000, 10_000, 15_000], [1, 2, 3]);
  const answered = (fresh, afterMs = 15_000) => follow(kept, afterMs, fresh, spanMs);
  assert.deepEqual(follow(undefined, 0, kept, spanMs), kept);
  assert.equal(answered(chartsOf([])), kept);
  assert.deepEqual(answered(chartsOf([20_000, 25_000], [4, 5])), {
    stepMs: STEP_MS,
    timeMs: [10_000, 15_000, 20_000, 25_000],
    failedPerSecond: [2, 3, 4, 5],
  });
  // The broker's clock was moved by a little: a row comes twice. Or back: all is told anew.
  assert.deepEqual(answered(chartsOf([15_004, 20_004])).timeMs, [5_000, 10_000, 15_000, 20_004]);
  assert.equal(answered(chartsOf([15_004])), kept);
  const before = chartsOf([1_000, 6_000]);
  assert.equal(answered(before), before);
});

test('what failed in the last hour is the sum of its rows', async () => {
  const { failedInHour } = await load('chart_history');
  assert.equal(failedInHour(chartsOf([]), 0), 0);
  assert.equal(failedInHour(chartsOf([5_000, 10_000], [2, 0.2]), 0), 11);
  // A gap in which the broker stood still has a mean; one in which there was none has not.
  assert.equal(failedInHour(chartsOf([5_000, 105_000], [0, 1]), 0), 100);
  assert.equal(failedInHour(chartsOf([5_000, 105_000], [0, 1]), 95_000), 10);
  const two = Array.from({ length: 1_440 }, (_, i) => (i + 1) * STEP_MS);
  assert.equal(failedInHour(chartsOf(two), 0), 3_600);
});

// A queue as the broker tells of it, with nothing to say about it but what is given.
function queueOf(name, { stats, ...rest } = {}) {
  const config = { name, maxTasks: 100, maxBytes: 1_000 };
  const counts = { queued: 0, scheduled: 0, waitingBytes: 0, waitingSubmitters: 0, oldestAgeMs: 0 };
  return { config, stats: { ...counts, ...stats }, paused: false, closed: false, ...rest };
}

const NOW_MS = 1_800_000_000_000;

async function titles(known) {
  const { findAttention } = await load('attention');
  return findAttention({ nowMs: NOW_MS, ...known }).map(({ level, title }) => `${level}: ${title}`);
}

test('what is well needs no attention', async () => {
  const queues = [
    queueOf('mail', { stats: { queued: 99, waitingBytes: 999, oldestAgeMs: 59_000 } }),
  ];
  const workers = [{ workerId: 'w', name: 'w', connected: true, draining: false }];
  const groups = [{ queue: 'mail', group: 'g', count: 3, lastAtMs: NOW_MS - 3_600_000 }];
  assert.deepEqual(await titles({ queues, workers, groups, server: { diskHungMs: 0 } }), []);
});

test('what needs attention, the bad before what may be meant so', async () => {
  const queues = [
    queueOf('still', { paused: true, stats: { queued: 1, oldestAgeMs: 90_000 } }),
    queueOf('shut', { closed: true }),
    queueOf('full', { stats: { queued: 60, scheduled: 40 } }),
    queueOf('large', { stats: { waitingBytes: 1_000 } }),
  ];
  const workers = [
    { workerId: 'a', name: 'gone', connected: false, draining: false },
    { workerId: 'b', name: 'leaving', connected: true, draining: true },
    {
      workerId: 'c',
      name: 'broken',
      connected: true,
      draining: false,
      quarantine: { failed: 20, error: { type: 'DiskFull' } },
    },
  ];
  const group = { queue: 'mail', group: 'g', type: 'send', errorType: 'Refused' };
  const groups = [{ ...group, errorMessage: 'no', count: 3, lastAtMs: NOW_MS - 1_000 }];
  assert.deepEqual(await titles({ queues, workers, groups, server: { diskHungMs: 4_000 } }), [
    "bad: The broker's disk has not answered for 4.0 s",
    'bad: full is full',
    'bad: large is full',
    'bad: send fails in mail: Refused',
    'bad: gone has lost its connection',
    'bad: broken is in quarantine',
    'warning: still is paused',
    'warning: shut is closed',
    'warning: leaving is draining',
  ]);
});

test('of many alike, attention is asked for once', async () => {
  const queues = Array.from({ length: 5_000 }, (_, i) => queueOf(`q${i}`, { paused: true }));
  assert.deepEqual(await titles({ queues }), ['warning: 5,000 queues are paused']);
});

test('what waits is explained by its oldest task', async () => {
  const { findAttention, oldest } = await load('attention');
  const queues = ['a', 'b', 'c', 'd'].map((name, i) =>
    queueOf(name, { stats: { queued: 1, oldestAgeMs: (i + 1) * 100_000 } }),
  );
  assert.deepEqual(oldest(queues), ['d', 'c', 'b']);
  const reason = {
    text: 'w1 has it',
    advice: 'wait',
    workers: ['w1'],
    end: 'REASON_END_BY_OTHERS',
  };
  const waiting = [{ queue: 'd', taskId: 's-1', reason }];
  const [first, rest] = findAttention({ queues, waiting, nowMs: NOW_MS });
  assert.equal(first.title, 'd: a task has waited for 6 min 40 s');
  assert.equal(first.text, 'w1 has it. Wait.');
  assert.equal(first.href, '/tasks/s-1');
  assert.equal(rest.title, '3 more queues have tasks that wait for long');
});

// A response of TaskService.ReadOutput with one run, of standard error unless `kind` says more.
function output(firstOffset, texts, { attempt = 1, kind = 'STANDARD_ERROR', ...rest } = {}) {
  const entries = texts.map((text) => ({
    kind: `OUTPUT_KIND_${kind}`,
    timeMs: 1,
    data: Buffer.from(text).toString('base64'),
    contentType: rest.contentType ?? '',
  }));
  const runs = [{ firstOffset, attempt, superseded: false, entries }];
  return { runs, nextOffset: firstOffset + texts.length, end: false, attempt, ...rest };
}

test('what a task has said: lines are whole, gaps and attempts are told', async () => {
  const { NOTHING_SAID, append, isSuperseded, textOf } = await load('output_tail');
  let tail = append(NOTHING_SAID, output(0, ['war', 'ning: \xe2\n', 'next']));
  assert.deepEqual(tail.entries.map(textOf), ['warning: \xe2', 'next']);
  tail = append(tail, output(3, [' line\n', 'more']));
  assert.deepEqual(tail.entries.map(textOf), ['warning: \xe2', 'next line', 'more']);
  assert.deepEqual(
    tail.entries.map((said) => said.offset),
    [0, 2, 4],
  );
  assert(!tail.entries.some((said) => isSuperseded(said, tail)));
  // Not the rest of the line: entry 5 was not kept. And another attempt.
  tail = append(tail, output(6, ['x']));
  tail = append(tail, output(7, ['y'], { attempt: 2, end: true }));
  assert.deepEqual(
    tail.entries.slice(-3).map((said) => [textOf(said), said.missing, isSuperseded(said, tail)]),
    [
      ['more', 0, true],
      ['x', 1, true],
      ['y', 0, false],
    ],
  );
  assert.equal(tail.nextOffset, 8);
  assert(tail.end);
});

test('what a task has said: the newest entries are kept, each up to a bound', async () => {
  const { ENTRIES_MAX, NOTHING_SAID, append, textOf } = await load('output_tail');
  const kind = 'LOG';
  let tail = append(NOTHING_SAID, output(0, Array(ENTRIES_MAX).fill('old'), { kind }));
  tail = append(tail, output(ENTRIES_MAX, ['new'], { kind }));
  assert.equal(tail.entries.length, ENTRIES_MAX);
  assert.equal(tail.entries[0].offset, 1);
  assert.equal(textOf(tail.entries.at(-1)), 'new');
  assert.equal(tail.dropped, 1);
  const long = 'x'.repeat(16 * 1024);
  tail = append(NOTHING_SAID, output(0, Array(300).fill(long), { kind }));
  assert.equal(tail.entries.length, 256);
  assert.equal(tail.dropped, 44);
  tail = append(NOTHING_SAID, output(0, ['\u00e4'.repeat(10_000), 'x'], { kind }));
  assert.match(textOf(tail.entries[0]), /^\u00e4{8192} \[… 20 KiB in all\]$/);
});

test('what a task has said is text without commands to a terminal', async () => {
  const { NOTHING_SAID, append, textOf } = await load('output_tail');
  const said = (text, rest) => textOf(append(NOTHING_SAID, output(0, [text], rest)).entries[0]);
  assert.equal(
    said('\u001b[31mred\u001b[0m\tbell\u0007\r\n10 %\r20 %\n'),
    'red\tbell\ufffd\n10 %\n20 %',
  );
  const part = { kind: 'PART', contentType: 'image/png' };
  assert.equal(said('{"n": 1}', part), '{"n": 1}');
  assert.equal(said(Buffer.from([0x89, 0x50, 0xff]), part), '[3 B of image/png]');
  assert.equal(said(Buffer.from([0x41, 0xff]), { kind: 'LOG' }), 'A\ufffd');
});

test('output is read on from where it was, page by page', async (context) => {
  const { readOn } = await load('output_tail');
  const asked = [];
  const large = 'x'.repeat(200_000);
  context.mock.method(globalThis, 'fetch', async (path, { body }) => {
    assert.equal(path, '/treadle.v1.TaskService/ReadOutput');
    const { taskId, offset, waitMs } = JSON.parse(body);
    assert.equal(taskId, '3-1');
    assert.equal(waitMs, undefined);
    asked.push(offset);
    const answer = offset < 2 ? output(offset, [large]) : { nextOffset: `${offset}` };
    return new Response(JSON.stringify(answer));
  });
  const tail = await readOn('3-1');
  assert.deepEqual(asked, [0, 1, 2]);
  assert.equal(tail.nextOffset, 2);
  assert(!tail.more);
  await readOn('3-1', tail);
  assert.deepEqual(asked, [0, 1, 2, 2]);
});
