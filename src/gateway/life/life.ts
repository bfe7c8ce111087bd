import type { OperatorServer } from '../../admin/http-app.ts';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { Clock } from '../../core/clock.ts';
import type { GatewayControl, GatewayState } from '../../core/control.ts';
import { explainNodeFaults, FIRST_SOUND_NODE } from '../../node-version/known-faults.ts';
import type { AreaLog } from '../../observability/log.ts';
import type { LogDestination } from '../../observability/log-destination.ts';
import type { LoadedFile } from '../load-configuration.ts';
import type { DrainTimes } from '../worker-role.ts';
import { ConfigWatch, type KnownFile } from './config-watch.ts';
import { openOperatorPorts } from './operator-ports.ts';
import { stayAlive } from './stay-alive.ts';

/** What serves, and is to be opened and ended: in this process, or as several workers. */
export interface Service {
  /** What runs now. */
  readonly config: GatewayConfig;
  /** Makes and opens all that serves. Gives what the log is to say of it. */
  open(): Promise<object>;
  /** Whether a load balancer may know of it. */
  hasOpenPorts(): boolean;
  /** Takes no more connections, and lets what is under way end within `drain.timeout`. */
  finish(times: DrainTimes): Promise<void>;
  /** Frees all at once, whatever of it there is. */
  free(): Promise<void>;
}

export interface LifeOptions {
  readonly service: Service;
  readonly control: GatewayControl;
  /** The configuration file, where there is one that is to be watched. */
  readonly watched: LoadedFile | undefined;
  /** Whether this is one of several workers: who speaks for all of them has the ports for operators and the log lines. */
  readonly isWorker: boolean;
  readonly clock: Clock;
  readonly log: AreaLog;
  readonly destination: LogDestination;
}

/** How long what has to end with `drain.timeout` may take longer than that. */
const FINISH_GRACE_MS = 2000;
/** How long the rest may take to be freed. With these and the log the defaults of `drain` stay below the 30 s of Kubernetes. */
const FREE_MS = 1000;

/**
 * The life of a gateway: it starts, is ready, drains and is closed, each once. From the call of `close` on it ends in
 * time, whatever hangs.
 */
export class Life {
  private readonly options: LifeOptions;
  private currentState: GatewayState = 'starting';
  private closing: Promise<void> | undefined = undefined;
  private freeing: Promise<void> | undefined = undefined;
  private watch: ConfigWatch | undefined = undefined;
  private documents: readonly KnownFile[];
  private operatorServers: OperatorServer[] = [];
  private resolveStarted: () => void = () => {};
  /** Resolves when it is no longer starting. */
  readonly started: Promise<void>;

  constructor(options: LifeOptions) {
    this.options = options;
    this.documents = options.watched?.documents ?? [];
    this.started = new Promise((resolve) => {
      this.resolveStarted = resolve;
    });
  }

  get state(): GatewayState {
    return this.currentState;
  }

  get isStopping(): boolean {
    return this.currentState === 'draining' || this.currentState === 'closed';
  }

  /** Watches these beside the configuration file, in place of those before: the files that were read with it. */
  watchDocuments(documents: readonly KnownFile[]): void {
    const { watched } = this.options;
    this.documents = documents;
    if (watched !== undefined)
      this.watch?.watch([{ path: watched.path, contentKey: undefined }, ...documents]);
  }

  /** The ports for operators: `admin`, then `status` if there is one. */
  get operatorPorts(): readonly number[] {
    return this.operatorServers.map(({ port }) => port);
  }

  /**
   * Opens all. Rejects, with nothing left open, when a part cannot be had. Closed meanwhile, it resolves with nothing left
   * open. `onChange` is called when the configuration file changes.
   */
  async start(onChange: () => void): Promise<void> {
    const { service, control, isWorker, log, watched, clock } = this.options;
    let opened: object = {};
    try {
      opened = await stayAlive(service.open());
      if (!isWorker) this.operatorServers = await openOperatorPorts(service.config, control, log.of('admin'));
    } catch (error) {
      if (this.closing !== undefined) return this.closing;
      await this.free();
      this.resolveStarted();
      throw error;
    }
    if (this.closing !== undefined) return this.closing.then(() => this.free());
    this.currentState = 'ready';
    this.report(opened, 'gateway started');
    const fault = explainNodeFaults(process.versions.node);
    if (fault !== undefined && !isWorker) log.warn({}, `${fault}: install ${FIRST_SOUND_NODE} or later`);
    if (watched !== undefined) {
      this.watch = new ConfigWatch(clock, onChange);
      this.watch.watch([watched, ...this.documents]);
    }
    this.resolveStarted();
  }

  /**
   * Drains: not ready, then no new connections, then the end of what is under way. A supervisor waits by itself until
   * load balancers have noticed, and spares idle connections for longer when another worker goes on.
   */
  close(times: DrainTimes): Promise<void> {
    this.closing ??= stayAlive(this.drain(times));
    return this.closing;
  }

  private async drain(times: DrainTimes): Promise<void> {
    const { service, destination } = this.options;
    const { delay, timeout } = service.config.drain;
    this.currentState = 'draining';
    this.resolveStarted();
    this.watch?.stop();
    this.report({}, 'draining');
    if (service.hasOpenPorts())
      await new Promise<void>((resolve) => setTimeout(resolve, times.delayMs ?? delay));
    await this.within(timeout + FINISH_GRACE_MS, service.finish(times), 'requests');
    await this.within(FREE_MS, this.free(), 'the parts of the gateway');
    this.report({}, 'gateway stopped');
    await destination.close();
  }

  private free(): Promise<void> {
    this.currentState = 'closed';
    const servers = this.operatorServers.splice(0).map((server) => server.close());
    this.freeing = Promise.all([this.freeing, ...servers, this.options.service.free()]).then(() => {});
    return this.freeing;
  }

  /** Goes on after `limitMs`, and where something went wrong: what hangs must not keep the process. */
  private async within(limitMs: number, work: Promise<void>, what: string): Promise<void> {
    const { clock, log } = this.options;
    let cancel: () => void = () => {};
    const isOverdue = new Promise<void>((resolve) => {
      cancel = clock.after(limitMs, () => {
        log.warn({ limitMs }, `${what} did not end before the timeout, and are left as they are`);
        resolve();
      });
    });
    const failed = (err: unknown): void => log.error({ err }, `${what} could not be ended as they should`);
    await Promise.race([work.catch(failed), isOverdue]);
    cancel();
  }

  /** Of workers, the supervisor says it once for all. */
  private report(fields: object, message: string): void {
    const { isWorker, log } = this.options;
    if (isWorker) log.debug(fields, message);
    else log.info(fields, message);
  }
}
