import { afterPurges, PurgeLog } from '../../cache/purge-log.ts';
import { HERE } from '../../cache/purge-reach.ts';
import { sizeOfResource, sizeOfResponse } from '../../cache/stored-size.ts';
import { hashOf } from '../../cache/text-hash.ts';
import type { Clock } from '../../core/clock.ts';
import type {
  CachedResource,
  CacheStanding,
  CacheStore,
  Purge,
  PurgeReach,
  StoredResponse,
} from '../../core/stores/cache-store.ts';
import { FifoList, type Listed } from './fifo-list.ts';
import { KeysOfUrls } from './keys-of-urls.ts';

/** Variants of one resource; the oldest leave. */
const MAX_VARIANTS = 64;
/** The share of the memory in which resources prove that they are asked for again. */
const PROBATION_SHARE = 0.1;
/** The share of the memory that bodies on their way may take. */
const RESERVED_SHARE = 0.25;
/** How many keys are remembered that left without a second request, which then come back for good. */
const REMEMBERED = 1 << 16;
/** Resources that a sweep looks at in one turn of the event loop. */
const SWEEP_SLICE = 500;
const MAX_USES = 3;

interface Node extends Listed<Node> {
  readonly key: string;
  resource: CachedResource;
  bytes: number;
  /** How often it was asked for since it was last looked at, up to `MAX_USES`. */
  uses: number;
  isOnProbation: boolean;
}

/**
 * Keeps responses in memory, bounded in bytes, bookkeeping included. What is new stands in a small queue first and moves
 * to the large one when it is asked for again, so that a scan of many keys pushes out only itself (S3-FIFO: Yang et al.,
 * "FIFO queues are all you need for cache eviction", SOSP 2023). A hit changes a counter and allocates nothing.
 */
export class MemoryCacheStore implements CacheStore {
  private readonly maxBytes: number;
  private readonly clock: Pick<Clock, 'now' | 'after'>;
  private readonly nodes = new Map<string, Node>();
  private readonly keysOfUrl = new KeysOfUrls();
  private readonly probation = new FifoList<Node>();
  private readonly main = new FifoList<Node>();
  private readonly remembered = new RecentKeys(REMEMBERED);
  private readonly log = new PurgeLog();
  private probationBytes = 0;
  private mainBytes = 0;
  private reservedBytes = 0;
  private readonly onEviction: () => void;
  private sweep: Iterator<Node> | undefined = undefined;
  private isSweptAgain = false;
  private stopSweep: () => void = () => {};

  /** `maxBytes` bounds all that is stored. `onEviction` hears of each resource that leaves for want of room. */
  constructor(maxBytes: number, clock: Pick<Clock, 'now' | 'after'>, onEviction: () => void = () => {}) {
    this.maxBytes = maxBytes;
    this.clock = clock;
    this.onEviction = onEviction;
  }

  get purges(): number {
    return this.log.count;
  }

  find(key: string): CachedResource | undefined {
    const node = this.nodes.get(key);
    if (node === undefined) return undefined;
    if (node.uses < MAX_USES) node.uses++;
    return this.purged(node);
  }

  keep(key: string, url: string, response: StoredResponse): void {
    const { effect, time } = this.log.effectOn(url, response);
    if (effect === 'gone') return;
    const kept = effect === 'stale' ? { ...response, staleSince: time } : response;
    const node = this.nodes.get(key);
    this.put(key, { url, responses: node === undefined ? [kept] : withVariant(node.resource, kept) }, node);
  }

  drop(key: string, response: StoredResponse): void {
    const node = this.nodes.get(key);
    if (node === undefined) return;
    const responses = node.resource.responses.filter((other) => other !== response);
    if (responses.length === 0) this.remove(node);
    else this.put(key, { url: node.resource.url, responses }, node);
  }

  purge(purge: Purge): Promise<PurgeReach> {
    this.log.note(purge, this.clock.now());
    if (purge.kind === 'url')
      for (const key of this.keysOfUrl.of(purge.value))
        this.purgeNode(this.nodes.get(key) as Node, purge.soft);
    else this.startSweep();
    return Promise.resolve(HERE);
  }

  recheck(resource: CachedResource): CachedResource | undefined {
    return afterPurges(resource, this.log);
  }

  /** Notes that purges may have been missed: what is under way is not known to have seen all of them. */
  noteGap(): void {
    this.log.noteGap();
  }

  reserve(bytes: number): boolean {
    if (this.reservedBytes + bytes > this.maxBytes * RESERVED_SHARE) return false;
    this.reservedBytes += bytes;
    this.evict();
    return true;
  }

  release(bytes: number): void {
    this.reservedBytes -= bytes;
  }

  standing(): CacheStanding {
    const bytes = this.probationBytes + this.mainBytes + this.reservedBytes;
    return { bytes, maxBytes: this.maxBytes, resources: this.nodes.size };
  }

  /** Ends what is going on in the background. */
  close(): void {
    this.stopSweep();
  }

  private put(key: string, resource: CachedResource, former: Node | undefined): void {
    const bytes = resource.responses.reduce(
      (sum, response) => sum + sizeOfResponse(response),
      sizeOfResource(key, resource.url),
    );
    // A resource that would push out nearly all others is not worth it.
    if (bytes > this.maxBytes / 2) {
      if (former !== undefined) this.remove(former);
      return;
    }
    if (former === undefined) this.add(key, resource, bytes);
    else {
      this.count(former, bytes - former.bytes);
      former.bytes = bytes;
      former.resource = resource;
    }
    this.evict();
  }

  private add(key: string, resource: CachedResource, bytes: number): void {
    const isOnProbation = !this.remembered.take(key);
    const node: Node = {
      key,
      resource,
      bytes,
      uses: 0,
      isOnProbation,
      before: undefined,
      behind: undefined,
    };
    this.insert(node);
    this.queueOf(node).push(node);
    this.count(node, bytes);
  }

  private insert(node: Node): void {
    this.nodes.set(node.key, node);
    this.keysOfUrl.add(node.resource.url, node.key);
  }

  private remove(node: Node): void {
    this.nodes.delete(node.key);
    this.keysOfUrl.delete(node.resource.url, node.key);
    this.queueOf(node).remove(node);
    this.count(node, -node.bytes);
  }

  private queueOf({ isOnProbation }: Node): FifoList<Node> {
    return isOnProbation ? this.probation : this.main;
  }

  private count({ isOnProbation }: Node, bytes: number): void {
    if (isOnProbation) this.probationBytes += bytes;
    else this.mainBytes += bytes;
  }

  private evict(): void {
    const allowed = this.maxBytes - this.reservedBytes;
    while (this.probationBytes + this.mainBytes > allowed && this.nodes.size > 0) {
      const isProbationDue =
        this.probationBytes > this.maxBytes * PROBATION_SHARE || this.main.oldest === undefined;
      if (isProbationDue) this.evictOnProbation(this.probation.oldest as Node);
      else this.evictFromMain(this.main.oldest as Node);
    }
  }

  private evictOnProbation(node: Node): void {
    this.remove(node);
    if (node.uses > 0) {
      node.isOnProbation = false;
      node.uses = 0;
      this.insert(node);
      this.main.push(node);
      this.count(node, node.bytes);
    } else {
      this.remembered.add(node.key);
      this.onEviction();
    }
  }

  private evictFromMain(node: Node): void {
    if (node.uses === 0) {
      this.remove(node);
      this.onEviction();
      return;
    }
    node.uses--;
    this.main.remove(node);
    this.main.push(node);
  }

  /** Gives what purges have left of a resource, and keeps it so. */
  private purged(node: Node): CachedResource | undefined {
    const left = afterPurges(node.resource, this.log, true);
    if (left === undefined) this.remove(node);
    else if (left !== node.resource) node.resource = left;
    return left;
  }

  /** Does at once to a resource what a purge of its URL says. */
  private purgeNode(node: Node, soft: boolean): void {
    // What other purges have taken out is not to come back as stale.
    if (this.purged(node) === undefined) return;
    if (!soft) return this.remove(node);
    const now = this.clock.now();
    const { url, responses } = node.resource;
    node.resource = {
      url,
      responses: responses.map((response) => ({ ...response, staleSince: response.staleSince ?? now })),
    };
  }

  /** A purge holds at once; what it is about is taken out behind that, some in each turn. One that comes meanwhile goes round again. */
  private startSweep(): void {
    this.isSweptAgain = this.sweep !== undefined;
    if (this.isSweptAgain) return;
    this.sweep = this.nodes.values();
    this.stopSweep = this.clock.after(0, () => this.sweepOn());
  }

  private sweepOn(): void {
    for (let i = 0; i < SWEEP_SLICE; i++) {
      const next = this.sweep?.next();
      if (next === undefined || next.done === true) {
        this.sweep = undefined;
        if (this.isSweptAgain) this.startSweep();
        return;
      }
      this.purged(next.value);
    }
    this.stopSweep = this.clock.after(0, () => this.sweepOn());
  }
}

/** The newest first, which one that comes from another gateway need not be. */
function withVariant({ responses }: CachedResource, kept: StoredResponse): StoredResponse[] {
  const others = responses.filter((other) => !isSameVariant(other, kept));
  return [kept, ...others].sort(byTime).slice(0, MAX_VARIANTS);
}

function byTime(one: StoredResponse, other: StoredResponse): number {
  return other.responseTime - one.responseTime;
}

/** Tells whether one response takes the place of the other. */
export function isSameVariant(one: StoredResponse, other: StoredResponse): boolean {
  const [names, others] = [one.rules.vary, other.rules.vary];
  return (
    one.variantKey === other.variantKey &&
    names.length === others.length &&
    names.every((name, i) => name === others[i])
  );
}

/** Remembers the last keys, by a hash: one that is taken for another only spares it its probation. */
class RecentKeys {
  private readonly size: number;
  private ring: Uint32Array | undefined = undefined;
  private readonly hashes = new Set<number>();
  private at = 0;

  constructor(size: number) {
    this.size = size;
  }

  add(key: string): void {
    this.ring ??= new Uint32Array(this.size);
    this.hashes.delete(this.ring[this.at] as number);
    const hash = hashOf(key);
    this.ring[this.at] = hash;
    this.hashes.add(hash);
    this.at = (this.at + 1) % this.size;
  }

  /** Tells whether it was there, and forgets it. */
  take(key: string): boolean {
    return this.hashes.delete(hashOf(key));
  }
}
