import { randomUUID } from 'node:crypto';
import type { RedisConfig } from '../config/schema/redis-schema.ts';
import type { Services } from '../core/services.ts';
import { CommandDeadlines } from './command-deadlines.ts';
import { openCluster } from './redis-cluster.ts';
import {
  explainFailure,
  isForgottenScript,
  isRejection,
  isResponse,
  isWrongServer,
  RedisAwayError,
} from './redis-failure.ts';
import { BEAT_MS, GATEWAY_SCRIPT, GatewayCount, REST_MS } from './redis-gateways.ts';
import {
  type LinkOptions,
  openServer,
  type RedisArgument,
  type RedisBytes,
  type RedisLink,
  type RedisReply,
} from './redis-link.ts';
import { RedisOutages } from './redis-outages.ts';
import type { RedisScript } from './redis-script.ts';
import { openBySentinel } from './redis-sentinel.ts';
import { describeRedis, serverOf } from './redis-settings.ts';

/** What a connection uses. */
export type RedisServices = Pick<Services, 'log' | 'clock' | 'metrics' | 'random'>;

export interface RedisConnectionOptions {
  readonly config: RedisConfig;
  readonly services: RedisServices;
  /** Scripts that are loaded into every server it connects to. */
  readonly scripts?: readonly RedisScript[];
  /** What goes on without Redis while it is away, for the log. Default: `the gateway goes on without it`. */
  readonly whileAway?: string;
  /** Whether this process is a gateway, which the others share limits with and whose metrics tell about Redis. Default: true. */
  readonly isGateway?: boolean;
}

/** Pauses after a failure, each shortened by up to half at random, so that gateways do not come back all at once. */
const PROBE_MS = 200;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 500;

/**
 * The one connection of a process to Redis, for everything that is kept there. While Redis is away commands are rejected
 * at once, and one probe at a time finds out when it is back: nobody waits for a server that has just kept another one
 * waiting, and a server that returns is not met by everybody at once.
 */
export class RedisConnection {
  readonly config: RedisConfig;
  /** Resolves when the first attempt to connect has come to an end, whichever. */
  readonly firstAttempt: Promise<void>;
  private readonly name: string;
  private readonly services: RedisServices;
  private readonly scripts: readonly RedisScript[];
  private readonly isGateway: boolean;
  private readonly listeners = new Set<() => void>();
  private readonly id = randomUUID();
  private readonly gateways: GatewayCount;
  private readonly deadlines: CommandDeadlines;
  private readonly outages: RedisOutages;
  private readonly stopMeasuring: readonly (() => void)[];
  private link: RedisLink | undefined = undefined;
  private isUp = false;
  private isClosed = false;
  private reason: string | undefined = undefined;
  private endFirstAttempt: () => void = () => {};
  private wake: () => void = () => {};

  constructor({ config, services, scripts = [], isGateway = true, whileAway }: RedisConnectionOptions) {
    this.config = config;
    this.name = describeRedis(config);
    this.services = services;
    this.scripts = [GATEWAY_SCRIPT, ...scripts];
    this.isGateway = isGateway;
    this.gateways = new GatewayCount(services.clock);
    this.outages = new RedisOutages(this.name, services, isGateway, whileAway);
    this.deadlines = new CommandDeadlines(services.clock, config.commandTimeout, (error) =>
      this.goDown(error),
    );
    this.firstAttempt = new Promise((resolve) => {
      this.endFirstAttempt = resolve;
    });
    this.stopMeasuring = isGateway ? this.measure() : [];
    void this.stayConnected();
  }

  /** Whether commands get through, as far as is known. */
  get isAvailable(): boolean {
    return this.isUp;
  }

  /** Why Redis cannot be used, where it cannot; without user and password. */
  get problem(): string | undefined {
    return this.isUp ? undefined : `Redis at ${this.name} ${this.reason ?? 'is not connected yet'}`;
  }

  /** How many gateways shared Redis when it was last there, this one included. */
  get gatewayCount(): number {
    return this.gateways.count;
  }

  /**
   * Sends a command. `key` is one that it is about, by which a Cluster finds the node. Rejects with `RedisAwayError` at
   * once while Redis is away, and when no response comes within `commandTimeout`.
   */
  send(key: string, command: readonly string[]): Promise<RedisReply> {
    const { link } = this;
    if (!this.isUp || link === undefined) return Promise.reject(this.awayError());
    return this.deadlines.wait(link.send(key, command)).catch((error) => this.fail(error));
  }

  /** Sends a command as `send` does, and gets texts as the bytes that they are. */
  sendBytes(key: string, command: readonly RedisArgument[]): Promise<RedisBytes> {
    const { link } = this;
    if (!this.isUp || link === undefined) return Promise.reject(this.awayError());
    return this.deadlines.wait(link.sendBytes(key, command)).catch((error) => this.fail(error));
  }

  /** Runs a script. All of `keys` must lie in one slot of a Cluster. */
  runScript(
    { sha1, source }: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<RedisReply> {
    const key = keys[0] ?? '';
    const rest = [String(keys.length), ...keys, ...args];
    return this.send(key, ['EVALSHA', sha1, ...rest]).catch((error) => {
      // A server that was restarted, or whose scripts somebody flushed.
      if (!isForgottenScript(error)) throw error;
      return this.send(key, ['EVAL', source, ...rest]);
    });
  }

  /** Runs a script as `runScript` does, which is given any bytes. */
  runScriptOnBytes(
    { sha1, source }: RedisScript,
    key: string,
    args: readonly RedisArgument[],
  ): Promise<RedisBytes> {
    return this.sendBytes(key, ['EVALSHA', sha1, '1', key, ...args]).catch((error) => {
      if (!isForgottenScript(error)) throw error;
      return this.sendBytes(key, ['EVAL', source, '1', key, ...args]);
    });
  }

  /** Calls `listener` whenever Redis can be used again, or for the first time, until the returned function is called. */
  onReturn(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Ends the connection. The other gateways hear of it. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stop of this.stopMeasuring) stop();
    if (this.isGateway) await this.send(this.beatKey, ['ZREM', this.beatKey, this.id]).catch(() => {});
    this.isUp = false;
    this.reason = 'is not used any more';
    this.deadlines.rejectAll(this.awayError());
    this.dropLink();
    this.wake();
  }

  private measure(): (() => void)[] {
    const { metrics } = this.services;
    const availableHelp = 'Whether Redis can be used: 1, or 0 while it is away.';
    const gatewaysHelp = 'Gateways that share this Redis, as last heard.';
    return [
      metrics.gauge('gateway_redis_available', availableHelp, {}, () => Number(this.isUp)),
      metrics.gauge('gateway_redis_gateways', gatewaysHelp, {}, () => this.gatewayCount),
    ];
  }

  private get beatKey(): string {
    return `${this.config.prefix}gateways`;
  }

  private awayError(): RedisAwayError {
    return new RedisAwayError(this.problem ?? `Redis at ${this.name} is away`);
  }

  /** Takes what came instead of an answer. An answer that refuses only this command does not mean that Redis is away. */
  private fail(error: unknown): never {
    if (error instanceof RedisAwayError || (isResponse(error) && !isRejection(error))) throw error;
    this.goDown(error);
    throw this.awayError();
  }

  private async stayConnected(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.isClosed) {
      try {
        const link = await this.openLink();
        await this.beat(link, () => {
          retryMs = FIRST_RETRY_MS;
        });
      } catch (error) {
        this.goDown(error);
      }
      // `close` still has something to say before it drops the link.
      if (this.isClosed) return;
      this.dropLink();
      await this.pause(retryMs);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    }
  }

  private async openLink(): Promise<RedisLink> {
    const { config } = this;
    let link: RedisLink | undefined;
    const onLost = (reason: unknown): void => {
      if (this.link !== link) return;
      this.link = undefined;
      link?.destroy();
      this.goDown(reason);
    };
    const options: LinkOptions = { config, clock: this.services.clock, onLost };
    if (config.cluster !== undefined) link = await openCluster(options);
    else if (config.sentinel !== undefined) link = await openBySentinel(options);
    else link = await openServer(serverOf(config), options);
    if (this.isClosed) link.destroy();
    else this.link = link;
    return link;
  }

  /** Tells Redis again and again that this gateway is there, which also finds out whether Redis is. */
  private async beat(link: RedisLink, onResponseHead: () => void): Promise<void> {
    const { clock } = this.services;
    let failingSince: number | undefined;
    for (let isLoaded = false; !this.isClosed && this.link === link; ) {
      try {
        if (!isLoaded) await this.loadScripts(link);
        isLoaded = true;
        await this.probeWithScripts(link);
        if (this.isClosed || this.link !== link) return;
        failingSince = undefined;
        onResponseHead();
        const isUp = this.outages.isOver();
        if (isUp) this.comeUp();
        await this.pause(isUp ? BEAT_MS : PROBE_MS);
      } catch (error) {
        this.goDown(error);
        failingSince ??= clock.monotonic();
        isLoaded = false;
        const isHopeless = clock.monotonic() - failingSince >= this.config.connectTimeout;
        if (isHopeless || isWrongServer(error)) return;
        await this.pause(PROBE_MS);
      }
    }
  }

  private async loadScripts(link: RedisLink): Promise<void> {
    const loading = this.scripts.map(({ source }) => link.sendToAll(['SCRIPT', 'LOAD', source]));
    await this.deadlines.wait(Promise.all(loading));
  }

  /** A scripts' cache that somebody flushed is filled again, which is not an outage. */
  private async probeWithScripts(link: RedisLink): Promise<void> {
    try {
      await this.probe(link);
    } catch (error) {
      if (!isForgottenScript(error)) throw error;
      await this.loadScripts(link);
      await this.probe(link);
    }
  }

  private async probe(link: RedisLink): Promise<void> {
    // Of a Cluster, one node that is away is enough to be without the limits of a part of the clients.
    const isWhole = this.isGateway && this.config.cluster === undefined;
    const pings = isWhole ? [] : [link.sendToAll(['PING'])];
    if (!this.isGateway) return void (await this.deadlines.wait(Promise.all(pings)));
    const command = ['EVALSHA', GATEWAY_SCRIPT.sha1, '1', this.beatKey, this.id, String(REST_MS)];
    const [count] = await this.deadlines.wait(Promise.all([link.send(this.beatKey, command), ...pings]));
    this.gateways.heard(Number(count));
  }

  private goDown(error: unknown): void {
    if (this.isClosed) return;
    const wasUp = this.isUp;
    this.isUp = false;
    if (!(error instanceof RedisAwayError)) this.reason = explainFailure(error, this.config);
    this.deadlines.rejectAll(this.awayError());
    this.outages.begin(this.reason);
    this.endFirstAttempt();
    if (wasUp) this.wake();
  }

  private comeUp(): void {
    this.endFirstAttempt();
    if (this.isUp) return;
    this.isUp = true;
    for (const listener of this.listeners) listener();
  }

  private dropLink(): void {
    this.link?.destroy();
    this.link = undefined;
  }

  /** Waits, up to half less than `longestMs`, or until something has happened. */
  private pause(longestMs: number): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    const { clock, random } = this.services;
    return new Promise((resolve) => {
      const cancel = clock.after(longestMs * (1 - random() / 2), resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
