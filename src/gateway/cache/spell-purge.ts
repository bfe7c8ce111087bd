import { purgeAuthority } from '../../cache/purge-url.ts';
import type { Purge } from '../../core/stores/cache-store.ts';
import { normaliseTarget } from '../../router/normalise.ts';
import type { SpellingRules } from '../../router/path-spelling.ts';

export type SpelledPurge =
  | { readonly ok: true; readonly purges: readonly Purge[] }
  | { readonly ok: false; readonly problem: string };

/** Whatever a listener or a route lets through may be stored. */
const ALL: SpellingRules = {
  slash: true,
  backslash: true,
  semicolon: true,
  nul: true,
  invalidUtf8: true,
  doubleEncoded: true,
  mergeSlashes: true,
};
const URL_PARTS = /^(?:([a-z][a-z0-9+.-]*):\/\/|\/\/)?([^/?#]*)([^#]*)/i;

/**
 * Writes a purge as stored responses have their URLs: without scheme, which tells none of them apart, and its path in the
 * one spelling that routes see. A path of which empty segments may count is meant both ways.
 */
export function spellPurge(purge: Purge): SpelledPurge {
  if (purge.kind === 'all') return { ok: true, purges: [purge] };
  if (purge.kind === 'tag')
    return purge.value === ''
      ? { ok: false, problem: 'tag is empty — name one, or purge all' }
      : { ok: true, purges: [purge] };
  const { kind, value: written } = purge;
  const reject = (what: string): SpelledPurge => ({
    ok: false,
    problem: `${kind} ${what} — write it like https://api.example.com/orders?page=2, or without https://`,
  });
  const [, scheme, authority = '', rest = ''] = URL_PARTS.exec(written.trim()) ?? [];
  if (scheme !== undefined && !/^https?$/i.test(scheme)) return reject(`is not an http URL`);
  if (authority === '') return reject('names no host');
  const values = new Set<string>();
  for (const mergeSlashes of [true, false]) {
    const target = normaliseTarget(`http://${authority}${rest}`, 'GET', { ...ALL, mergeSlashes });
    if (!target.ok) return reject(`cannot be read (${lowerFirst(target.reason)})`);
    const query = target.query === '' ? '' : `?${target.query}`;
    values.add(purgeAuthority(authority) + target.path + query);
  }
  return { ok: true, purges: [...values].map((value) => ({ ...purge, value })) };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
