import { isIP } from 'node:net';
import { z } from 'zod';
import { duration, headerValue } from '../config/schema/scalars.ts';
import type { Exchange } from '../core/exchange.ts';
import { HeaderBlock } from '../core/fields/header-block.ts';
import { NameSet } from '../core/identity/name-set.ts';
import { definePolicy } from '../core/policy.ts';

const HSTS = 'strict-transport-security';

/**
 * Writes the headers that tell browsers what not to do with a response: helmet's set, with values fit for an API,
 * whose responses are data and never pages. What it writes takes the place of what the upstream sent; a field that is
 * switched off passes as the upstream sent it.
 */
export const securityHeaders = definePolicy({
  name: 'security-headers',
  summary: 'Tells browsers to take responses as data only, and to use HTTPS.',
  options: z.strictObject({
    contentSecurityPolicy: field("default-src 'none'; frame-ancestors 'none'", 'What a page may load.'),
    crossOriginOpenerPolicy: field('same-origin', 'Keeps pages of other origins out of the process.'),
    crossOriginResourcePolicy: field(
      'same-origin',
      'Who may embed the response; requests with CORS are not affected.',
    ),
    originAgentCluster: field('?1', 'Keeps other origins of the same site out of the process.'),
    referrerPolicy: field('no-referrer', 'What the next site learns about where a visitor came from.'),
    strictTransportSecurity: strictTransport(),
    xContentTypeOptions: field('nosniff', 'Forbids guessing the type of a response.'),
    xDnsPrefetchControl: field('off', 'Whether names in a page are looked up beforehand.'),
    xDownloadOptions: field('noopen', 'Forbids old Internet Explorer to open downloads in place.'),
    xFrameOptions: field('DENY', 'Who may frame the response, for browsers without CSP.'),
    xPermittedCrossDomainPolicies: field('none', 'Whether Adobe products may load data across domains.'),
    xXssProtection: field('0', 'Switches off a filter of old browsers that did harm.'),
    hideSoftware: z
      .boolean()
      .prefault(true)
      .describe('Takes away `Server` and `X-Powered-By`, which tell what software the upstream runs.'),
  }),
  combination: 'replace',
  position: 'first',
  create(options) {
    const fields = writtenFields(options);
    const owned = new NameSet(ownedNames(options));
    const transport = options.strictTransportSecurity;
    const plain = new HeaderBlock(fields);
    const withHsts = transport ? new HeaderBlock([...fields, HSTS, hstsValue(transport)]) : plain;
    return {
      onResponse(exchange, { headers }) {
        headers.deleteAll(owned);
        headers.appendBlock(withHsts !== plain && isHstsHost(exchange) ? withHsts : plain);
      },
    };
  },
});

type Options = z.output<typeof securityHeaders.options>;

function field(value: string, meaning: string) {
  return z
    .union([headerValue().min(1, { error: 'is empty — write a value, or false' }), z.literal(false)])
    .prefault(value)
    .describe(`${meaning} \`false\` leaves the field as the upstream sent it.`);
}

function strictTransport() {
  const settings = z
    .strictObject({
      maxAge: duration().prefault('365d').describe('How long browsers use only HTTPS.'),
      includeSubDomains: z.boolean().prefault(false).describe('Whether for all names below this one, too.'),
      preload: z.boolean().prefault(false).describe('Whether browsers may ship this name as HTTPS only.'),
    })
    .refine(({ preload, includeSubDomains }) => includeSubDomains || !preload, {
      error: 'has preload without includeSubDomains, which no preload list takes — set both',
    });
  return z
    .union([settings, z.literal(false)])
    .prefault({})
    .describe(
      'Makes browsers use HTTPS (HSTS). Sent over HTTPS only, and never for localhost or addresses. `false` leaves the field as the upstream sent it.',
    );
}

/** The fields that are on every response, names and values by turns. */
function writtenFields({ strictTransportSecurity: _, hideSoftware: __, ...fields }: Options): string[] {
  return Object.entries(fields).flatMap(([key, value]) =>
    value === false ? [] : [headerNameOf(key), value],
  );
}

/** The names that are the gateway's: what the upstream says under them does not pass. */
function ownedNames({ hideSoftware, ...fields }: Options): string[] {
  const owned = Object.entries(fields).flatMap(([key, value]) =>
    value === false ? [] : [headerNameOf(key)],
  );
  return hideSoftware ? [...owned, 'server', 'x-powered-by'] : owned;
}

/** `xDnsPrefetchControl` → `x-dns-prefetch-control` */
function headerNameOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function hstsValue({
  maxAge,
  includeSubDomains,
  preload,
}: Exclude<Options['strictTransportSecurity'], false>) {
  const subDomains = includeSubDomains ? '; includeSubDomains' : '';
  return `max-age=${Math.floor(maxAge / 1000)}${subDomains}${preload ? '; preload' : ''}`;
}

/** RFC 6797 §7.2 and §8.1.1: over HTTPS only, and for names only; localhost is shared by all that one develops. */
function isHstsHost({ scheme, publicAuthority, host }: Exchange): boolean {
  if (scheme !== 'https') return false;
  const name = (publicAuthority === '' ? host : publicAuthority)
    .replace(/:\d*$/, '')
    .replace(/\.$/, '')
    .toLowerCase();
  if (name === '' || name.includes(':') || isIP(name) !== 0) return false;
  return name !== 'localhost' && !name.endsWith('.localhost');
}
