import type { Failure } from './client.ts';

/** Something that was done and that costs clients what a process held, or more connections than there can be. */
export type Incident =
  | { readonly kind: 'worker killed'; readonly at: number; readonly localPorts: ReadonlySet<number> }
  | {
      readonly kind: 'target killed';
      readonly at: number;
      readonly until: number;
      readonly held: ReadonlySet<string>;
    }
  | {
      readonly kind: 'target hung';
      readonly at: number;
      readonly until: number;
      readonly held: ReadonlySet<string>;
    }
  /** Workers were replaced, so that those from before are cut when their time to drain is over. */
  | { readonly kind: 'code changed'; readonly at: number }
  | { readonly kind: 'descriptors short'; readonly at: number; readonly until: number };

/** Whom a failure is due to; `undefined` where the subject itself is to blame. */
export const CAUSES = [
  'held by the killed worker',
  'held by the killed target',
  'sent to the target as it was killed',
  'sent to the target that hung',
  'met two such targets, with one retry',
  'cut when drain.timeout was over',
  'refused while descriptors were short',
] as const;
export type Cause = (typeof CAUSES)[number];

/** How long after a process was killed others may not have heard of it, and send to it, on a busy machine. */
const UNHEARD_MS = 500;
/** How long after that all of it has failed. */
const FAILED_MS = 5000;
/** What was sent to a target that hangs fails when the time for an answer is over, on a busy machine a little later. */
const TIMEOUT_MS = 8000;

/** `drain.timeout`, as it is by default. */
const DRAIN_MS = 20_000;

/**
 * Finds out what made something fail. Only what must not be repeated can be lost with one target; what may be, only where the
 * retry, of which there is one, came to a second such target.
 */
export function findCause(failure: Failure, incidents: readonly Incident[]): Cause | undefined {
  // What comes in place of the response that was meant, such as to a body that was cut short, has no excuse.
  if (failure.reason.startsWith('a strange ')) return undefined;
  for (const incident of incidents) {
    const cause = causeIn(failure, incident);
    if (cause !== undefined) return cause;
  }
  const met = incidents.filter((incident) => isTargetMet(failure, incident));
  return met.length > 1 ? 'met two such targets, with one retry' : undefined;
}

function isTargetMet({ from, to }: Failure, incident: Incident): boolean {
  if (incident.kind !== 'target killed' && incident.kind !== 'target hung') return false;
  return from <= incident.until + UNHEARD_MS && to >= incident.at;
}

function causeIn(failure: Failure, incident: Incident): Cause | undefined {
  const { localPort, id, from, to } = failure;
  switch (incident.kind) {
    case 'worker killed':
      return incident.localPorts.has(localPort ?? 0) && from <= incident.at + UNHEARD_MS && to >= incident.at
        ? 'held by the killed worker'
        : undefined;
    case 'target killed':
      if (!isUnrepeatable(failure)) return undefined;
      if (incident.held.has(id)) return 'held by the killed target';
      return from <= incident.until + UNHEARD_MS && to >= incident.at && to <= incident.until + FAILED_MS
        ? 'sent to the target as it was killed'
        : undefined;
    case 'target hung':
      if (!isUnrepeatable(failure)) return undefined;
      return incident.held.has(id) ||
        (from <= incident.until && to >= incident.at && to <= incident.until + TIMEOUT_MS)
        ? 'sent to the target that hung'
        : undefined;
    case 'code changed':
      return from <= incident.at && to >= incident.at + DRAIN_MS
        ? 'cut when drain.timeout was over'
        : undefined;
    case 'descriptors short':
      return failure.isReused !== true && to >= incident.at && from <= incident.until + FAILED_MS
        ? 'refused while descriptors were short'
        : undefined;
  }
}

/** A body that is not kept, and an answer that has begun to come, are one target's. All else can be asked of another one. */
function isUnrepeatable({ kind, reason }: Failure): boolean {
  if (kind === 'POST' || kind === 'POST, new connection' || kind === 'upload') return true;
  return (kind === 'SSE' || kind === 'WebSocket') && !reason.startsWith('status');
}
