import type { HeaderList } from '../../core/header-list.ts';
import type { MessageChange } from './message-change.ts';

/** Says to caches what a response has come to depend on, so that nobody is given what was made for another one. */
export function limitCaching(headers: HeaderList, { isPersonal, varyBy }: MessageChange): void {
  if (isPersonal) {
    headers.set('cache-control', asPrivate(headers.get('cache-control')));
    headers.delete('cdn-cache-control');
    headers.delete('surrogate-control');
  }
  const vary = headers.get('vary') ?? '';
  const known = vary.split(',').map((name) => name.trim().toLowerCase());
  if (known.includes('*')) return;
  const more = varyBy.filter((name) => !known.includes(name));
  if (more.length > 0) headers.append('vary', more.join(', '));
}

/** Takes `public` and its like out. Quotes may hold commas, so that nothing of such a value is relied on. */
function asPrivate(value: string | undefined): string {
  if (value === undefined) return 'private';
  if (value.includes('"')) return 'private, no-cache';
  const kept = value
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(?:public|private|s-maxage)(?:=|$)/i.test(directive));
  return ['private', ...kept].join(', ');
}
