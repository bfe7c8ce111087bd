import { redactText } from '../../observability/redact-text.ts';

export type Verdict = 'ok' | 'warning' | 'problem';

/** What one look at the machine or the configuration has found. */
export interface Finding {
  /** What was looked at: `node`, `descriptors`, `dns`, … */
  readonly check: string;
  /** Which one of several, such as an upstream's target. */
  readonly subject?: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** What to do about it; there wherever the verdict is not `ok`. */
  readonly remedy?: string;
}

/** Makes the findings of one check. */
export class Findings {
  readonly found: Finding[] = [];
  private readonly check: string;
  private readonly subject: string | undefined;

  constructor(check: string, subject?: string) {
    this.check = check;
    this.subject = subject;
  }

  ok(message: string): void {
    this.add('ok', message);
  }

  warn(message: string, remedy: string): void {
    this.add('warning', message, remedy);
  }

  problem(message: string, remedy: string): void {
    this.add('problem', message, remedy);
  }

  private add(verdict: Verdict, message: string, remedy?: string): void {
    const { check, subject } = this;
    // Errors of others may quote what they were given.
    const words = { message: redactText(message), ...(remedy !== undefined && { remedy }) };
    // Several servers or files may be in the same state.
    if (this.found.some((each) => each.message === words.message)) return;
    this.found.push({ check, ...(subject !== undefined && { subject }), verdict, ...words });
  }
}

/** How long one look may take. */
export const CHECK_MS = 5000;

/** One look: fills `findings`, and has to give up when `signal` says so. */
export interface Check {
  readonly check: string;
  readonly subject?: string;
  readonly look: (findings: Findings, signal: AbortSignal) => Promise<void> | void;
}

/** How much longer than that what ignores the signal is waited for. */
const GRACE_MS = 500;

/** Takes a look that hangs or fails for a problem, and never waits longer than `limitMs` and a moment for it. */
export async function runCheck(
  { check, subject, look }: Check,
  limitMs = CHECK_MS,
): Promise<readonly Finding[]> {
  const findings = new Findings(check, subject);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no response within ${limitMs / 1000} s`)), limitMs + GRACE_MS);
  });
  try {
    await Promise.race([look(findings, AbortSignal.timeout(limitMs)), late]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    findings.problem(`could not be looked at: ${message}`, 'find out why, and run the doctor again');
  } finally {
    clearTimeout(timer);
  }
  // What still comes of a look that was given up is left out.
  return [...findings.found];
}
