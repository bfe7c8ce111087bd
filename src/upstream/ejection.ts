export interface EjectionSettings {
  /** Failures in a row after which a target is out. */
  readonly failures: number;
  /** How long the first time; it doubles each time. */
  readonly ejectForMs: number;
}

export type EjectionState =
  | { readonly kind: 'in'; readonly since: number }
  | { readonly kind: 'out'; readonly since: number; readonly until: number; readonly reason: string };

/** How many times the first ejection the longest one lasts. */
const MAX_GROWTH = 16;

/**
 * Whether a target is out because requests to it failed. Each ejection lasts twice as long as the one before, until
 * the target has been in for as long as it was last out.
 */
export class Ejection {
  state: EjectionState = { kind: 'in', since: Number.NEGATIVE_INFINITY };
  private readonly settings: EjectionSettings;
  private failures = 0;
  private brokenResponses = 0;
  private lastDurationMs = 0;

  constructor(settings: EjectionSettings) {
    this.settings = settings;
  }

  /** Whether the last that was heard of the target is a failure. */
  get isFailing(): boolean {
    return this.failures + this.brokenResponses > 0;
  }

  /** A response began. It may break yet, so responses that broke are still counted. */
  succeed(): void {
    if (this.failures !== 0) this.failures = 0;
  }

  /** A good response came whole. */
  complete(): void {
    if (this.brokenResponses !== 0) this.brokenResponses = 0;
  }

  /** Counts a failure and tells whether the target is to be ejected. */
  fail(): boolean {
    if (this.state.kind === 'out') return false;
    this.failures++;
    return this.isDue;
  }

  /** Counts a response that broke though it began well, and tells whether the target is to be ejected. */
  breakOff(): boolean {
    if (this.state.kind === 'out') return false;
    this.brokenResponses++;
    return this.isDue;
  }

  /** Puts the target out and returns for how many milliseconds. */
  eject(now: number, lastFailure: string): number {
    const { ejectForMs } = this.settings;
    const isForgotten = this.state.kind === 'in' && now - this.state.since >= this.lastDurationMs;
    const grown = isForgotten ? ejectForMs : this.lastDurationMs * 2;
    this.lastDurationMs = Math.min(Math.max(grown, ejectForMs), ejectForMs * MAX_GROWTH);
    const reason = `${this.failures + this.brokenResponses} failures in a row, the last one: ${lastFailure}`;
    this.state = { kind: 'out', since: now, until: now + this.lastDurationMs, reason };
    return this.lastDurationMs;
  }

  /** Lets the target in again. */
  readmit(now: number): void {
    this.failures = 0;
    this.brokenResponses = 0;
    this.state = { kind: 'in', since: now };
  }

  private get isDue(): boolean {
    return this.failures + this.brokenResponses >= this.settings.failures;
  }
}
