import type { UpstreamConfig } from '../config/schema/schema.ts';
import type { Hold } from '../core/shared-resources.ts';
import { HttpTarget } from '../proxy/http-target.ts';
import type { HttpTargetOptions } from '../proxy/pool-options.ts';
import { ConnectionCount } from '../proxy/pool-services.ts';
import { scheduleChecks } from '../upstream/checks/check-schedule.ts';
import { httpCheck } from '../upstream/checks/http-check.ts';
import { tcpCheck } from '../upstream/checks/tcp-check.ts';
import { TargetState } from '../upstream/target-state.ts';
import { poolServicesOf, type SnapshotContext } from './snapshot-context.ts';

type ActiveConfig = NonNullable<UpstreamConfig['health']['active']>;

export interface TargetHealthKey {
  readonly upstream: string;
  readonly target: string;
  readonly health: UpstreamConfig['health'];
  /** How the target is reached, `undefined` where it is in this process. */
  readonly options: HttpTargetOptions | undefined;
}

/** Finds what is known of a target's health, or begins to find out. */
export function holdTargetState(key: TargetHealthKey, context: SnapshotContext): Hold<TargetState> {
  const { upstream, target, health, options } = key;
  const { active, passive } = health;
  const create = (): SharedState => {
    const state = new TargetState(
      {
        failures: passive.failures,
        ejectForMs: passive.ejectFor,
        healthyAfter: active?.healthyAfter ?? 1,
        unhealthyAfter: active?.unhealthyAfter ?? 1,
      },
      context.clock,
    );
    state.onChange(() => logChange(upstream, target, state, context));
    const isChecked = active !== undefined && options !== undefined;
    return { state, stop: isChecked ? startChecks(active, options, state, context) : () => {} };
  };
  const content = [upstream, target, health, active && options];
  const hold = context.kept.hold(`health ${JSON.stringify(content)}`, create, ({ state, stop }) => {
    stop();
    state.close();
  });
  return { value: hold.value.state, release: hold.release };
}

interface SharedState {
  readonly state: TargetState;
  readonly stop: () => void;
}

/** Checks have a connection of their own, so that a target which is only busy is not taken for one that is down. */
function startChecks(
  active: ActiveConfig,
  options: HttpTargetOptions,
  state: TargetState,
  context: SnapshotContext,
): () => void {
  const { path, status, body, interval, timeout } = active;
  const target = new HttpTarget(
    { ...options, maxConnections: 1, maxQueued: 1, minIdle: 0 },
    { ...poolServicesOf(context), connections: new ConnectionCount() },
  );
  const statuses = status && new Set(status);
  const check =
    path === undefined
      ? tcpCheck(options.place)
      : httpCheck(target, { path, statuses, body, timeoutMs: timeout });
  const stop = scheduleChecks(
    check,
    { intervalMs: interval, timeoutMs: timeout },
    context.clock,
    context.services.random,
    (failure) => state.takeCheck(failure),
  );
  return () => {
    stop();
    target.close();
  };
}

function logChange(
  upstream: string,
  target: string,
  { health }: TargetState,
  { log }: SnapshotContext,
): void {
  const place = { upstream, target };
  if (health.kind === 'healthy') log.of('upstream').info(place, 'target gets requests again');
  else
    log
      .of('upstream')
      .warn({ ...place, state: health.kind, reason: health.reason }, 'target gets no requests');
}
