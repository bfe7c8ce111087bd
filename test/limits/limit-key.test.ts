import { describe, expect, it } from 'vitest';
import { compileLimitKey, limitKeyFor } from '../../src/limits/limit-key.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { fc } from '../support/fast-check.ts';
import { exchangeOf } from './limit-pipeline.ts';

describe('the key of a limit', () => {
  it('is the same for the client that asks and for whoever names it', () => {
    const text = fc.string({ maxLength: 90 });
    fc.assert(
      fc.property(text, text, (subject, org) => {
        const exchange = exchangeOf({ subject, claims: { org } });
        for (const keys of [['subject'], ['claim:org'], ['subject', 'claim:org']]) {
          const values = keys.map((key) => (key === 'subject' ? subject : org));
          expect(compileLimitKey(keys)(exchange)).toBe(limitKeyFor(keys, values));
        }
        const withAddress = limitKeyFor(['ip', 'subject'], ['192.0.2.7', subject]);
        expect(compileLimitKey(['ip', 'subject'])(exchange)).toBe(withAddress);
      }),
    );
    expect(limitKeyFor(['ip'], ['192.0.2.7'])).toBe(compileLimitKey(['ip'])(stubExchange()));
    const ofNetwork = compileLimitKey(['ip'])(stubExchange({ clientAddress: '2001:db8:1:2:3::4' }));
    for (const spelling of ['2001:0DB8:1:2::', '2001:db8:1:2:ffff::%eth0', '2001:db8:1:2'])
      expect(limitKeyFor(['ip'], [spelling])).toBe(ofNetwork);
    expect(limitKeyFor(['ip'], [])).toBeUndefined();
  });

  it('tells clients apart however the parts of their keys are cut', () => {
    const text = fc.string({ maxLength: 6, unit: fc.constantFrom('1', '=', '@', 'a', '|') });
    const keyOf = compileLimitKey(['subject', 'claim:org']);
    fc.assert(
      fc.property(text, text, text, text, (subject, org, otherSubject, otherOrg) => {
        const one = keyOf(exchangeOf({ subject, claims: { org } }));
        const other = keyOf(exchangeOf({ subject: otherSubject, claims: { org: otherOrg } }));
        expect(one === other).toBe(subject === otherSubject && org === otherOrg);
      }),
      { numRuns: 1000 },
    );
  });

  it('never grows, whatever a client sends', () => {
    const keyOf = compileLimitKey(['header:x-tenant']);
    const of = (tenant: string) => keyOf(stubExchange({ headers: [['x-tenant', tenant]] }));
    expect(of('x'.repeat(8000)).length).toBeLessThanOrEqual(64);
    expect(of('x'.repeat(8000))).not.toBe(of('x'.repeat(8001)));
  });

  it.each(['cookie:session', 'header:authorization', 'header:x-api-key', 'header:x-session-id'])(
    'does not show what is secret: %s',
    (key) => {
      const exchange = stubExchange({
        headers: [
          ['cookie', 'session=correct-horse'],
          ['authorization', 'correct-horse'],
          ['x-api-key', 'correct-horse'],
          ['x-session-id', 'correct-horse'],
        ],
      });
      const found = compileLimitKey([key])(exchange);
      expect(found).toMatch(/^#[\w-]{43}$/);
      expect(limitKeyFor([key], ['correct-horse'])).toBe(found);
    },
  );
});
