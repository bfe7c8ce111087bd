import { describe, expect, it } from 'vitest';
import { logsSchema } from '../../src/config/schema/logs-schema.ts';

const faultOf = (logs: unknown): string => logsSchema().safeParse(logs).error?.issues[0]?.message ?? 'none';

describe('logs', () => {
  it.each([
    [{ accessLog: { fields: ['header:authorization'] } }, 'holds a secret'],
    [{ accessLog: { fields: ['header:X-Api-Key'] } }, 'holds a secret'],
    [{ accessLog: { fields: ['header:Cookie'] } }, 'holds a secret'],
    [{ accessLog: { fields: ['claim:refresh_token'] } }, 'holds a secret'],
    [{ accessLog: { fields: ['useragent'] } }, 'write userAgent'],
    [{ accessLog: { fields: ['header:a b'] } }, 'is not a field'],
    [{ accessLog: { omit: ['status'] } }, 'is not a field that can be left out'],
    [{ level: 'trace' }, 'is not a level — write debug'],
    [{ levels: { access: 'loud' } }, 'is not a level'],
    [{ levels: { accesslog: 'info' } }, 'accesslog'],
    [{ accessLog: { sample: 0.1 } }, 'write a percentage'],
  ])('%j is refused, and told what to write', (logs, words) => {
    expect(faultOf(logs)).toContain(words);
  });

  it('take what the line says anyhow', () => {
    expect(
      faultOf({
        accessLog: { fields: ['subject', 'keyId', 'userAgent', 'header:x-a', 'claim:https://a/b'] },
      }),
    ).toBe('none');
  });
});
