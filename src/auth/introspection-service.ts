import type { Clock } from '../core/clock.ts';
import { problemOf } from '../core/error-text.ts';
import type { TokenRejection, TokenVerifier, VerifiedToken } from '../core/identity/auth-service.ts';
import { isRejection } from '../core/identity/auth-service.ts';
import type { Log } from '../core/services.ts';
import { UNAVAILABLE } from './key-service.ts';
import { TokenCache } from './token-cache.ts';

export interface IntrospectionServiceOptions {
  readonly name: string;
  readonly verifies: 'by-asking' | 'by-code';
  readonly issuer: string | undefined;
  readonly maxTokenChars: number;
  /** Asks about a token. `until` is the second at which the response ends unless the token does before. */
  readonly ask: (
    token: string,
    until: number,
    signal: AbortSignal,
  ) => Promise<VerifiedToken | TokenRejection>;
  readonly cacheForMs: number;
  readonly timeoutMs: number;
  readonly maxConcurrent: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a rejection is kept, so that one bad token asked about again and again costs one question. */
const REJECTION_MS = 2000;
/** Rejections have a place of their own: invented tokens push no good one out. */
const REJECTION_CHARS = 1024 * 1024;

/** Verifies tokens by asking somebody about each, and remembers the responses for a while. */
export class IntrospectionService implements TokenVerifier {
  readonly name: string;
  readonly verifies: 'by-asking' | 'by-code';
  readonly issuer: string | undefined;
  readonly maxTokenChars: number;
  private readonly options: IntrospectionServiceOptions;
  private readonly questions = new Set<AbortController>();
  private readonly verified = new TokenCache<VerifiedToken>();
  private readonly refused = new TokenCache<TokenRejection>(REJECTION_CHARS);
  private readonly underWay = new Map<string, Promise<VerifiedToken | TokenRejection>>();
  private lastProblem = '';

  constructor(options: IntrospectionServiceOptions) {
    this.options = options;
    this.name = options.name;
    this.verifies = options.verifies;
    this.issuer = options.issuer;
    this.maxTokenChars = options.maxTokenChars;
  }

  findVerified(token: string): VerifiedToken | undefined {
    return this.verified.get(token, this.options.clock.now());
  }

  verifyToken(token: string): VerifiedToken | TokenRejection | Promise<VerifiedToken | TokenRejection> {
    const { clock, maxConcurrent } = this.options;
    if (token.length > this.maxTokenChars) return { refused: 'too-long' };
    const known =
      this.findVerified(token) ?? this.refused.get(token, clock.now()) ?? this.underWay.get(token);
    if (known !== undefined) return known;
    if (this.underWay.size >= maxConcurrent) return UNAVAILABLE;
    const asking = this.ask(token).finally(() => this.underWay.delete(token));
    this.underWay.set(token, asking);
    return asking;
  }

  async getUserRoles(token: string): Promise<readonly string[]> {
    const outcome = await this.verifyToken(token);
    return isRejection(outcome) ? [] : outcome.roles;
  }

  problems(): readonly string[] {
    const { name, lastProblem } = this;
    return lastProblem === '' ? [] : [`auth service '${name}' failed: ${lastProblem}`];
  }

  close(): void {
    for (const question of this.questions) question.abort(new Error('the auth service is closed'));
    this.verified.clear();
    this.refused.clear();
  }

  private async ask(token: string): Promise<VerifiedToken | TokenRejection> {
    const { ask, cacheForMs, clock } = this.options;
    const until = clock.now() + cacheForMs;
    try {
      const outcome = await this.withinTime((signal) => ask(token, Math.ceil(until / 1000), signal));
      this.lastProblem = '';
      if (isRejection(outcome)) this.refused.set(token, outcome, clock.now() + REJECTION_MS);
      else this.verified.set(token, outcome, Math.min(until, outcome.exp * 1000));
      return outcome;
    } catch (error) {
      this.report(error);
      return UNAVAILABLE;
    }
  }

  /** Whoever is asked may not heed the signal, so the wait ends by itself. */
  private async withinTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs, clock } = this.options;
    const question = new AbortController();
    this.questions.add(question);
    const cancel = clock.after(timeoutMs, () => question.abort(new Error('no response before the timeout')));
    const over = new Promise<never>((_, reject) => {
      question.signal.addEventListener('abort', () => reject(question.signal.reason as Error));
    });
    try {
      return await Promise.race([work(question.signal), over]);
    } finally {
      cancel();
      this.questions.delete(question);
    }
  }

  private report(error: unknown): void {
    const { log } = this.options;
    const problem = problemOf(error);
    const level = problem === this.lastProblem ? 'debug' : 'warn';
    this.lastProblem = problem;
    log[level]({ authService: this.name, err: error }, 'the auth service cannot be reached');
  }
}
