import { isBranchingWithoutEnd } from '../../json-schema/branching.ts';
import type { JsonSchema } from '../../json-schema/schema-text.ts';
import type { BodyFault } from './body-fault.ts';
import { type BodyVerdict, JsonBodyJudge, type JsonBodySpec } from './body-judge.ts';
import type { JudgeThread } from './judge-thread.ts';

/** Judges JSON bodies, here or in a thread beside. */
export interface JsonJudge {
  judge(bytes: Buffer): BodyVerdict | Promise<BodyVerdict | { readonly fault: BodyFault }>;
}

/** The largest body that is judged here: below a millisecond, and some milliseconds for one that is made to take long. */
const MAX_BYTES_HERE = 16 * 1024;

/** A schema of more characters takes longer to compile than requests may wait. */
const MAX_SCHEMA_CHARACTERS = 64 * 1024;

function isLarge(schema: JsonSchema): boolean {
  return JSON.stringify(schema).length > MAX_SCHEMA_CHARACTERS;
}

/** Makes a judge that gives large bodies, and all of a schema that could take long for small ones, to a thread beside. */
export function createJsonJudge(spec: JsonBodySpec, thread: JudgeThread): JsonJudge {
  const { schema } = spec;
  const isBeside = schema !== undefined && (isBranchingWithoutEnd(schema) || isLarge(schema));
  if (isBeside) return { judge: (bytes) => thread.judge(spec, bytes) };
  const here = new JsonBodyJudge(spec);
  return {
    judge: (bytes) => (bytes.length > MAX_BYTES_HERE ? thread.judge(spec, bytes) : here.judge(bytes)),
  };
}
