import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Counter, Log, Metrics } from '../services.ts';

/** What a client's connection may have: an exchange, a response that rejects it, or nothing. */
export type ClientRoom = 'exchange' | 'rejection' | 'nothing';

/** At most so many descriptors, and at most this share of all, are for others than clients. */
const RESERVE = 256;
const RESERVED_SHARE = 1 / 4;
/** Of the reserve: what rejecting clients may use at a time, and what targets may not use. */
const FOR_REJECTIONS = 64;
const REJECTIONS_SHARE = 1 / 4;
const OPERATORS_SHARE = 1 / 8;
/** How often the limit is read, which may be changed while we run, and how often a shortage is told. */
const LOOK_MS = 5000;
const REPORT_MS = 10_000;

/**
 * Keeps some file descriptors free for what matters most when they run short: answers that refuse clients, connections to
 * targets, and the ports of operators. The system gives the lowest number that is free, so where a connection got a high
 * one, all below are taken; nothing has to be counted.
 */
export class Descriptors {
  private readonly services: { readonly clock: Clock; readonly log: Log };
  private readonly readLimit: () => number;
  private readonly shortages: Record<'client' | 'target', Counter>;
  private limit_: number;
  private reserve = 0;
  private lookedAt = 0;
  private compared = 0;
  private shortAt = Number.NEGATIVE_INFINITY;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(
    services: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
    readLimit: () => number = readDescriptorLimit,
  ) {
    this.services = services;
    this.readLimit = readLimit;
    const counterOf = (side: string): Counter =>
      services.metrics.counter(
        'gateway_descriptor_shortages_total',
        'Connections that were rejected or could not be made since file descriptors were short, by side.',
        { side },
      );
    this.shortages = { client: counterOf('client'), target: counterOf('target') };
    this.limit_ = readLimit();
    this.look(services.clock.monotonic());
  }

  /** How many this process may have. */
  get limit(): number {
    return this.limit_;
  }

  /** Says that they are short, where they were a moment ago. */
  get problem(): string | undefined {
    const isShort = this.services.clock.monotonic() - this.shortAt < REPORT_MS;
    return isShort ? `file descriptors are short: this process may have ${this.limit_}` : undefined;
  }

  /** Tells what a client that has just connected may have. */
  roomFor(socket: Socket): ClientRoom {
    const now = this.services.clock.monotonic();
    if (now - this.lookedAt >= LOOK_MS) this.look(now);
    const number = numberOf(socket);
    const first = this.limit_ - this.reserve;
    if (number < first) return 'exchange';
    this.noteShortage('client');
    return number < first + Math.min(FOR_REJECTIONS, this.reserve * REJECTIONS_SHARE)
      ? 'rejection'
      : 'nothing';
  }

  /** Ends a connection to a target that takes what is for operators, as the system would where there is nothing left. */
  watchTarget(socket: Socket): void {
    const check = (): void => {
      if (numberOf(socket) < this.limit_ - this.reserve * OPERATORS_SHARE) return;
      socket.destroy(Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' }));
    };
    // It gets its number right behind that event, and many may begin in one turn.
    socket.on('connectionAttempt', () => process.nextTick(check));
  }

  /** Notes that there was none for a connection, and says so now and then. */
  noteShortage(side: 'client' | 'target', err?: unknown): void {
    this.shortages[side].add();
    const { clock, log } = this.services;
    const now = clock.monotonic();
    this.shortAt = now;
    if (now - this.reportedAt < REPORT_MS) return;
    this.reportedAt = now;
    log.error(
      { side, limit: this.limit_, ...(err !== undefined && { err }) },
      'connections are rejected: file descriptors, ports or memory are short; raise the limit of open files (ulimit -n), or lower limits.connections',
    );
  }

  /** Says so, once, where more clients are let in than there can be descriptors. */
  compareWith(listeners: readonly { readonly limits: { readonly connections: number } }[]): void {
    const connections = listeners.reduce((sum, { limits }) => sum + limits.connections, 0);
    if (connections === this.compared || connections <= this.limit_) return;
    this.compared = connections;
    this.services.log.warn(
      { connections, limit: this.limit_ },
      'limits.connections lets in more clients than this process may have open files: raise the limit (ulimit -n) to twice as many, since targets need theirs too, or lower limits.connections',
    );
  }

  private look(now: number): void {
    this.lookedAt = now;
    this.limit_ = this.readLimit();
    this.reserve = Math.min(RESERVE, Math.floor(this.limit_ * RESERVED_SHARE));
  }
}

/** Node has no name for it. Where there is no number, as on Windows, there is no such limit either. */
function numberOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}

/** Reads how many files this process may have open; infinite where nobody says. */
export function readDescriptorLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    return Number(userLimits?.open_files?.soft) || Number.POSITIVE_INFINITY;
  }
}
