import { Gauge, type Registry } from '@prometheus-io/client';

interface GaugeSource {
  readonly labels: Readonly<Record<string, string>>;
  readonly read: () => number;
}

/** A gauge whose values are read when metrics are asked for. */
export class GaugeFamily {
  private readonly sources = new Set<GaugeSource>();

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const sources = this.sources;
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, read } of sources) setFrom(this, labels, read);
      },
    });
  }

  get isEmpty(): boolean {
    return this.sources.size === 0;
  }

  /** Adds a series. Where two have the same labels, as during a reload, the later one counts. */
  add(labels: Readonly<Record<string, string>>, read: () => number): () => void {
    const source = { labels, read };
    this.sources.add(source);
    return () => void this.sources.delete(source);
  }
}

function setFrom(gauge: Gauge<string>, labels: Readonly<Record<string, string>>, read: () => number): void {
  try {
    gauge.set({ ...labels }, read());
  } catch {
    // One source that fails must not take all the others with it: its series is missing, which alerts can see.
  }
}
