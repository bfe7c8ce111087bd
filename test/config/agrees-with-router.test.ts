import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { findTemplateFault } from '../../src/config/check/template.ts';
import { findPatternFault, paramNames } from '../../src/config/schema/path-pattern.ts';
import { routeSchema } from '../../src/config/schema/route-schema.ts';
import { compileRewrite, compileStripPrefix } from '../../src/router/path-template.ts';
import { compileRedirect } from '../../src/router/redirect.ts';
import { parseRoutePath } from '../../src/router/route-path.ts';
import { fc } from '../support/fast-check.ts';

// Whatever the check lets through must compile: a problem has a place and a remedy, what the router throws has none.

const pieces = [
  '/',
  'a',
  ':x',
  '*',
  '.',
  '..',
  '%2e',
  '%3Ax',
  '%2A',
  '%2F',
  '%ff',
  '%',
  ';',
  '\\',
  '{params.x}',
  '{',
  'é',
  ' ',
  '?',
  '[',
  '"',
  '%00',
  '\0',
];
const path = fc.array(fc.constantFrom(...pieces), { maxLength: 7 }).map((parts) => `/${parts.join('')}`);
const { rewrite, redirect } = routeSchema(z.array(z.unknown()).prefault([]), () => z.string()).shape;

describe('what the check lets through', () => {
  it('is a path that the router takes, with the same parameters', () => {
    fc.assert(
      fc.property(path, (text) => {
        fc.pre(findPatternFault(text) === undefined);
        expect(parseRoutePath(text).paramNames).toEqual(paramNames(text));
        if (paramNames(text).length === 0) compileStripPrefix(text);
      }),
    );
  });

  it('is a rewrite that the router takes', () => {
    fc.assert(
      fc.property(path, (text) => {
        fc.pre(rewrite.safeParse(text).success && findTemplateFault(text, ['x']) === undefined);
        compileRewrite(text, ['x']);
      }),
    );
  });

  it('is a redirect that the router takes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '1', '.', ':', '[', ']', '-'), maxLength: 6 }),
        (host) => {
          const parsed = redirect.safeParse({ host });
          fc.pre(parsed.success && parsed.data !== undefined);
          compileRedirect({ host }, []);
        },
      ),
    );
  });
});
