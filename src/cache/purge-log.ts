import { createHash } from 'node:crypto';
import type { CachedResource, Purge, StoredResponse } from '../core/stores/cache-store.ts';
import { ForgottenPurges } from './forgotten-purges.ts';

/** So many purges of a kind are known one by one. Beyond, the oldest URLs and tags are known by group, and the oldest prefixes are one purge of all. */
const MAX_KNOWN = 10_000;
/** What is longer is known by its hash, so that long URLs take no more memory than others. */
const MAX_LENGTH = 256;

/** What a purge does to a response. */
export type PurgeEffect = 'gone' | 'stale' | undefined;

interface Known {
  readonly number: number;
  readonly time: number;
  readonly soft: boolean;
}

/**
 * The purges there were, by which each response is judged when it is looked up or stored: a purge holds from the moment
 * on at which it is noted, however many responses it is about, and also for one that was under way then. A response is
 * only compared with purges that are younger than its request.
 */
export class PurgeLog {
  private readonly byKind = {
    url: new Map<string, Known>(),
    prefix: new Map<string, Known>(),
    tag: new Map<string, Known>(),
  };
  private readonly forgotten = { url: new ForgottenPurges(), tag: new ForgottenPurges() };
  private all: Known | undefined = undefined;
  private allHard: Known | undefined = undefined;
  private noted = 0;

  /** How many were noted. */
  get count(): number {
    return this.noted;
  }

  /** Notes that purges may have been missed: what was asked for before is no longer known to have seen all of them. */
  noteGap(): void {
    this.noted++;
  }

  /** Notes a purge of now. */
  note(purge: Purge, now: number): void {
    const known: Known = { number: ++this.noted, time: now, soft: purge.soft };
    if (purge.kind === 'all') this.noteAll(known);
    else {
      const map = this.byKind[purge.kind];
      const value = purge.kind === 'prefix' ? purge.value : shortened(purge.value);
      const former = map.get(value);
      // A hard one is not softened by a later soft one, which is about what came since.
      map.delete(value);
      map.set(value, former !== undefined && !former.soft && known.soft ? { ...known, soft: false } : known);
      if (map.size > MAX_KNOWN) this.forgetOldest(purge.kind);
    }
  }

  /**
   * Says what was done to a response of `url` since it was asked for, and when. Purges of URLs are left out without one:
   * of what is in memory they take out all at once.
   */
  effectOn(
    url: string,
    response: StoredResponse,
    isInMemory = false,
  ): { readonly effect: PurgeEffect; readonly time: number } {
    const { requestedAt, tags } = response;
    if (requestedAt >= this.noted) return UNTOUCHED;
    let found: Known | undefined;
    const consider = (known: Known | undefined): void => {
      if (known === undefined || known.number <= requestedAt) return;
      if (found === undefined || (found.soft && !known.soft)) found = known;
    };
    consider(this.allHard);
    consider(this.all);
    if (!isInMemory) consider(this.findLatest('url', url));
    for (const tag of tags) consider(this.findLatest('tag', tag));
    for (const [prefix, known] of this.byKind.prefix) if (url.startsWith(prefix)) consider(known);
    if (found === undefined) return UNTOUCHED;
    return { effect: found.soft ? 'stale' : 'gone', time: found.time };
  }

  /** What was forgotten counts as hard, and as long ago. */
  private findLatest(kind: 'url' | 'tag', value: string): Known | undefined {
    const name = shortened(value);
    const known = this.byKind[kind].get(name);
    const number = this.forgotten[kind].latestOf(name);
    return number === 0 || (known !== undefined && !known.soft) ? known : { number, time: 0, soft: false };
  }

  private noteAll(known: Known): void {
    this.all = known;
    if (known.soft) return;
    this.allHard = known;
    // Whatever these were about, this one is about as well.
    for (const map of Object.values(this.byKind)) map.clear();
    for (const forgotten of Object.values(this.forgotten)) forgotten.clear();
  }

  private forgetOldest(kind: keyof typeof this.byKind): void {
    const map = this.byKind[kind];
    const [[value, known]] = map as unknown as Iterable<[string, Known]> & [[string, Known]];
    map.delete(value);
    if (kind !== 'prefix') this.forgotten[kind].add(value, known.number);
    else if (this.allHard === undefined || this.allHard.number < known.number)
      this.allHard = { ...known, soft: false };
  }
}

const UNTOUCHED = { effect: undefined, time: 0 } as const;

function shortened(value: string): string {
  return value.length <= MAX_LENGTH ? value : createHash('sha256').update(value).digest('base64');
}

/**
 * Gives a resource as it is after purges, or nothing where all of it is gone. `isInMemory` where the resource was there for
 * each purge of a URL to find it.
 */
export function afterPurges(
  resource: CachedResource,
  log: PurgeLog,
  isInMemory = false,
): CachedResource | undefined {
  if (hasSeenAll(resource, log.count)) return resource;
  const responses = resource.responses.flatMap((response) => {
    const { effect, time } = log.effectOn(resource.url, response, isInMemory);
    if (effect === 'gone') return [];
    const staleSince = effect === 'stale' ? (response.staleSince ?? time) : response.staleSince;
    return [{ ...response, staleSince, requestedAt: log.count }];
  });
  return responses.length === 0 ? undefined : { url: resource.url, responses };
}

function hasSeenAll({ responses }: CachedResource, count: number): boolean {
  for (let i = 0; i < responses.length; i++)
    if ((responses[i] as StoredResponse).requestedAt < count) return false;
  return true;
}
