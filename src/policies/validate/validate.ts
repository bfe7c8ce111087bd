import { readTextFile } from '../../core/disk/read-text-file.ts';
import { definePolicy, type PolicyInstance, type PolicyPlace } from '../../core/policy.ts';
import type { Services } from '../../core/services.ts';
import type { JsonBodySpec } from './body-judge.ts';
import { FailureCounts } from './failure-counts.ts';
import { createJsonJudge } from './json-judge.ts';
import { JudgeThread } from './judge-thread.ts';
import { findOperationFaults } from './operation-source.ts';
import { planOfSchemas, type ReadSchemas } from './request-plan.ts';
import { ResponseCheck } from './response-check.ts';
import { type OperationPlans, planOperation } from './source-thread.ts';
import { RequestCheck } from './validate-instance.ts';
import { type ValidateOptions, validateOptions } from './validate-options.ts';
import { findWrittenFaults, readWrittenSchema, SCHEMA_OPTIONS } from './written-schemas.ts';

/** Judges requests, and responses, by JSON Schema or an OpenAPI document. */
export const validate = definePolicy({
  name: 'validate',
  summary: 'Rejects requests whose parameters or body are not as JSON Schema or an OpenAPI document says.',
  options: validateOptions,
  refuses: true,
  // A response that is enforced takes as long as its upstream may; judging has a bound of its own.
  maxWaitMs: 0,
  async findFaults(options, files) {
    return [...(await findWrittenFaults(options, files)), ...(await findOperationFaults(options, files))];
  },
  create: createValidate,
});

async function createValidate(
  options: ValidateOptions,
  services: Services,
  place?: PolicyPlace,
): Promise<PolicyInstance> {
  const { request, responses } = await planOf(options, services);
  const counts = new FailureCounts(services.metrics);
  const observes = place?.observes === true;
  const { log, clock } = services;
  // One for all uses, started by the first large body.
  const thread = services.keep(
    'validate thread',
    () => new JudgeThread(clock),
    (each) => each.close(),
  );
  const judgeOf = (spec: JsonBodySpec) => createJsonJudge(spec, thread.value);
  return new RequestCheck(request, {
    counts,
    observes,
    judgeOf,
    close: () => thread.release(),
    enforces: options.response === 'enforce',
    responses:
      responses && new ResponseCheck({ plans: responses, maxBytes: options.maxBody, counts, log, judgeOf }),
  });
}

async function planOf(options: ValidateOptions, services: Services): Promise<OperationPlans> {
  if (options.openapi !== undefined) return planOperation(options.openapi, options, services);
  const schemas: ReadSchemas = {};
  for (const key of SCHEMA_OPTIONS) {
    const written = options[key];
    if (written !== undefined)
      schemas[key] = await readWrittenSchema(written, services.configFolder, readTextFile);
  }
  return { request: planOfSchemas(schemas, options), responses: undefined };
}
