import type { Clock } from '../../core/clock.ts';
import type { DiscoveredTarget, Discovery, DiscoveryStatus } from './discovery.ts';

type Listener = (targets: readonly DiscoveredTarget[]) => void;

/** A running discovery that several configurations share, so that a reload finds the targets that it knows. */
export class DiscoveryFeed {
  private readonly discovery: Discovery;
  private readonly listeners = new Set<Listener>();
  private targets: readonly DiscoveredTarget[] | undefined = undefined;

  /** Starts the discovery. */
  constructor(discovery: Discovery) {
    this.discovery = discovery;
    discovery.start((targets) => {
      this.targets = targets;
      for (const listener of [...this.listeners]) listener(targets);
    });
  }

  /** Calls `listener` with the targets that are known, if any are, and with each change. Returns a function that stops it. */
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.targets !== undefined) listener(this.targets);
    return () => void this.listeners.delete(listener);
  }

  /** Resolves when targets are known, or after `maxMs`, so that a new upstream need not begin without any. */
  async whenKnown(clock: Clock, maxMs: number): Promise<void> {
    if (this.targets !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(maxMs, resolve);
    const unsubscribe = this.subscribe(() => resolve());
    await promise;
    cancel();
    unsubscribe();
  }

  status(): DiscoveryStatus {
    return this.discovery.status();
  }

  close(): void {
    this.listeners.clear();
    this.discovery.close();
  }
}
