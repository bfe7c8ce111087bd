import type { CachedResource, Purge, StoredResponse } from '../core/stores/cache-store.ts';

/** So many single purges are known apart; beyond, the oldest are one purge of all. */
const MAX_KNOWN = 10_000;

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
      const former = map.get(purge.value);
      // A hard one is not softened by a later soft one, which is about what came since.
      map.delete(purge.value);
      map.set(
        purge.value,
        former !== undefined && !former.soft && known.soft ? { ...known, soft: false } : known,
      );
      if (map.size > MAX_KNOWN) this.forgetOldest(map);
    }
  }

  /** Says what was done to a response of `url` since it was asked for, and when. */
  effectOn(url: string, response: StoredResponse): { readonly effect: PurgeEffect; readonly time: number } {
    if (response.askedAt >= this.noted) return UNTOUCHED;
    let found: Known | undefined;
    const consider = (known: Known | undefined): void => {
      if (known === undefined || known.number <= response.askedAt) return;
      if (found === undefined || (found.soft && !known.soft)) found = known;
    };
    consider(this.allHard);
    consider(this.all);
    consider(this.byKind.url.get(url));
    for (const tag of response.tags) consider(this.byKind.tag.get(tag));
    for (const [prefix, known] of this.byKind.prefix) if (url.startsWith(prefix)) consider(known);
    if (found === undefined) return UNTOUCHED;
    return { effect: found.soft ? 'stale' : 'gone', time: found.time };
  }

  private noteAll(known: Known): void {
    this.all = known;
    if (!known.soft) this.allHard = known;
    // Whatever these were about, this one is about as well; but a hard one of them stays hard.
    if (!known.soft) for (const map of Object.values(this.byKind)) map.clear();
  }

  private forgetOldest(map: Map<string, Known>): void {
    const [[value, known]] = map as unknown as Iterable<[string, Known]> & [[string, Known]];
    map.delete(value);
    if (this.allHard === undefined || this.allHard.number < known.number)
      this.allHard = { ...known, soft: false };
  }
}

const UNTOUCHED = { effect: undefined, time: 0 } as const;

/** Gives a resource as it is after purges, or nothing where all of it is gone. `count` is how many purges there were. */
export function afterPurges(resource: CachedResource, log: PurgeLog): CachedResource | undefined {
  if (resource.responses.every(({ askedAt }) => askedAt >= log.count)) return resource;
  const responses = resource.responses.flatMap((response) => {
    const { effect, time } = log.effectOn(resource.url, response);
    if (effect === 'gone') return [];
    const staleSince = effect === 'stale' ? (response.staleSince ?? time) : response.staleSince;
    return [{ ...response, staleSince, askedAt: log.count }];
  });
  return responses.length === 0 ? undefined : { url: resource.url, responses };
}
