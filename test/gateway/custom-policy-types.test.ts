import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  any,
  createGateway,
  defineGateway,
  defineIdentifyingPolicy,
  definePolicy,
  jwt,
  usePolicy,
} from '../../src/index.ts';

const audit = definePolicy({
  name: 'acme/audit',
  options: z.strictObject({ reason: z.string().default('none'), level: z.int().optional() }),
  create: () => ({}),
});
const stamp = definePolicy({
  name: 'acme/stamp',
  options: z.strictObject({ header: z.string() }),
  create: () => ({}),
});
const bare = definePolicy({ name: 'acme/bare', options: z.strictObject({}), create: () => ({}) });
const session = defineIdentifyingPolicy({
  name: 'acme/session',
  summary: 'Identifies by a session.',
  options: z.strictObject({ cookie: z.string() }),
  createIdentifier: () => ({
    challenge: 'Session',
    isOptional: false,
    identify: () => undefined,
    dropCredential() {},
  }),
});
const customPolicies = {
  'acme/audit': audit,
  'acme/stamp': stamp,
  'acme/bare': bare,
  'acme/session': session,
  'acme/file': './policies/file.ts',
};
const listeners = [{ port: 0 }];

describe('usePolicy', () => {
  it("makes the entry of a policy of one's own", () => {
    expect(usePolicy(stamp, { header: 'x' })).toEqual({ 'acme/stamp': { header: 'x' } });
    expect(usePolicy(audit)).toEqual({ 'acme/audit': {} });
  });
});

describe('the options of policies that are values', () => {
  it('are known to the compiler', () => {
    expect(compiles).toBeTypeOf('function');
  });
});

/** What follows is judged by the compiler: a line below `@ts-expect-error` that compiles fails `npm run check`. */
function compiles(): void {
  defineGateway({
    listeners,
    customPolicies,
    policies: [
      'acme/audit',
      'acme/bare',
      { 'acme/audit': { reason: 'x', id: 'a', observe: true } },
      { 'acme/bare': { id: 'b' } },
      usePolicy(stamp, { header: 'x' }),
      'acme/file',
      { 'acme/file': { anything: 1 } },
      any([jwt(), { 'acme/session': { cookie: 'sid' } }]),
      { any: ['jwt', { 'acme/session': { cookie: 'sid' } }] },
    ],
    routes: [{ id: 'a', path: '/', respond: {}, policies: [{ 'acme/stamp': { header: 'x' } }] }],
  });
  defineGateway({
    listeners,
    customPolicies,
    policies: [
      // @ts-expect-error: no such option
      { 'acme/audit': { reson: 'x' } },
      // @ts-expect-error: a number is due
      { 'acme/audit': { level: 'high' } },
      // @ts-expect-error: header has to be said
      'acme/stamp',
      // @ts-expect-error: header has to be said
      { 'acme/stamp': {} },
      // @ts-expect-error: it has no options
      { 'acme/bare': { reason: 'x' } },
      // @ts-expect-error: no such policy
      'acme/adit',
      // @ts-expect-error: no such policy
      { 'acme/adit': {} },
      // @ts-expect-error: no such option within any either
      { any: [{ 'acme/session': { cokie: 'sid' } }] },
      // @ts-expect-error: nor by the function
      any([{ 'acme/session': { cokie: 'sid' } }]),
      // @ts-expect-error: no such option
      usePolicy(stamp, { headr: 'x' }),
      // @ts-expect-error: an entry has one key
      { 'acme/audit': {}, 'acme/bare': {} },
      // @ts-expect-error: an entry has one key, whoever's policy it is
      { 'acme/audit': {}, cors: { origins: ['*'] } },
      // @ts-expect-error: built-in policies are as strict as ever
      { cors: { origin: '*' } },
    ],
    // @ts-expect-error: in routes as well
    routes: [{ id: 'a', path: '/', respond: {}, policies: [{ 'acme/stamp': { headr: 'x' } }] }],
  });
  // @ts-expect-error: header has to be said
  usePolicy(stamp);
  // @ts-expect-error: createGateway looks as closely
  void createGateway({ config: { listeners, customPolicies, policies: [{ 'acme/audit': { reson: 'x' } }] } });
  void createGateway({
    config: { listeners, customPolicies, policies: [{ 'acme/audit': { reason: 'x' } }] },
  });
  void createGateway({
    // @ts-expect-error: also where the policies are given beside the configuration
    config: { listeners, policies: [{ 'acme/audit': { reson: 'x' } }] },
    customPolicies: { 'acme/audit': audit },
  });
  const config = defineGateway({ listeners, customPolicies, policies: ['acme/audit'] });
  void createGateway({ config });
  void createGateway({ configFile: './sallyport.yaml', customPolicies: { 'acme/audit': audit } });
  // @ts-expect-error: there is one configuration
  void createGateway({ configFile: './sallyport.yaml', config });
  // @ts-expect-error: there has to be one
  void createGateway({});
  defineGateway({
    listeners,
    upstreams: {
      app: { app: async (app) => void app.get('/', async () => 'hello') },
      // @ts-expect-error: no such setting
      other: { targts: [] },
    },
    authServices: { code: { code: { verifyToken: () => undefined } } },
  });
}
