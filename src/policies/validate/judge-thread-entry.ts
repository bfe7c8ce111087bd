import { parentPort } from 'node:worker_threads';
import { JsonBodyJudge } from './body-judge.ts';
import type { JudgeAnswer, JudgeCall } from './judge-thread.ts';

// The entry point of the thread: a module that works when it is run.

const judges = new Map<number, JsonBodyJudge>();

parentPort?.on('message', ({ key, spec, bytes }: JudgeCall) => {
  parentPort?.postMessage(answer(key, spec, bytes));
});

function answer(key: number, spec: JudgeCall['spec'], bytes: Uint8Array): JudgeAnswer {
  try {
    if (spec !== undefined) judges.set(key, new JsonBodyJudge(spec));
    const judge = judges.get(key);
    if (judge === undefined) return { error: 'the thread was not given the schema' };
    return { verdict: judge.judge(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
