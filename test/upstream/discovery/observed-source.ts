import type { DiscoveredTarget } from '../../../src/upstream/discovery/discovery.ts';
import type { TargetSource } from '../../../src/upstream/discovery/target-source.ts';
import { EventQueue } from '../../support/event-queue.ts';

export type Report =
  | { readonly found: readonly DiscoveredTarget[]; readonly remark?: string }
  | { readonly failed: string };

/** A source that was started, and what it has reported. */
export class ObservedSource {
  readonly reports = new EventQueue<Report>();
  private readonly source: TargetSource;

  constructor(source: TargetSource) {
    this.source = source;
    source.start({
      found: (found, remark) => this.reports.push({ found, ...(remark !== undefined && { remark }) }),
      failed: (failed) => this.reports.push({ failed }),
    });
  }

  next(): Promise<Report> {
    return this.reports.next();
  }

  /** The next set of targets, as `host:port`. */
  async nextHosts(): Promise<readonly string[]> {
    const report = await this.reports.nextWhere((event) => 'found' in event);
    return 'found' in report ? report.found.map(({ host, port }) => `${host}:${port}`).sort() : [];
  }

  async nextFailure(): Promise<string> {
    const report = await this.reports.nextWhere((event) => 'failed' in event);
    return 'failed' in report ? report.failed : '';
  }

  close(): void {
    this.source.close();
  }
}
