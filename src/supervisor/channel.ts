import { type Clock, systemClock } from '../core/clock.ts';

/** One end of a connection between two processes, such as `process` or a `ChildProcess`. */
export interface ProcessEnd {
  on(event: 'message', listener: (message: unknown) => void): unknown;
  send?(
    message: unknown,
    handle: undefined,
    options: undefined,
    done: (error: Error | null) => void,
  ): unknown;
}

type Arguments<Method> = Method extends (...args: infer Args) => unknown ? Args : never;
type GatewayResponse<Method> = Method extends (...args: never[]) => infer Result ? Awaited<Result> : never;
type AnyMethod = (...args: unknown[]) => unknown;

type Message =
  | { readonly call: string; readonly args: readonly unknown[]; readonly id?: number }
  | { readonly id: number; readonly response: unknown }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly name: string;
  readonly dueAt: number;
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface ChannelOptions<Remote extends object> {
  /** How long a call may wait for its response, in milliseconds, by the name of the method. */
  readonly limitsMs: Readonly<Partial<Record<keyof Remote, number>>>;
  /** What the other side is called in errors. */
  readonly remote: string;
  readonly clock?: Clock;
}

const LOOK_INTERVAL_MS = 250;

/** Says that no response came before the timeout. Whether the call was carried out is not known. */
export class CallTimeoutError extends Error {
  override readonly name = 'CallTimeoutError';
}

/** Calls the methods of `Remote`, which lives in another process, and answers calls of its own side's from there. */
export class Channel<Remote extends object> {
  private readonly end: ProcessEnd;
  private readonly local: object;
  private readonly options: ChannelOptions<Remote>;
  private readonly clock: Clock;
  private readonly waiting = new Map<number, Waiting>();
  private readonly stopLooking: () => void;
  private lastId = 0;
  private closedBecause: Error | undefined = undefined;

  constructor(end: ProcessEnd, local: object, options: ChannelOptions<Remote>) {
    this.end = end;
    this.local = local;
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.stopLooking = this.clock.every(LOOK_INTERVAL_MS, () => this.giveUpOverdue());
    end.on('message', (message) => {
      if (isOurs(message)) this.receive(message);
    });
  }

  /**
   * Calls a method and waits for what it returns. Rejects with its message where it throws, when the channel closes, and
   * with a `CallTimeoutError` when there is no response before the timeout.
   */
  call<Name extends keyof Remote & string>(
    name: Name,
    ...args: Arguments<Remote[Name]>
  ): Promise<GatewayResponse<Remote[Name]>> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      const dueAt = this.clock.monotonic() + (this.options.limitsMs[name] ?? Number.POSITIVE_INFINITY);
      this.waiting.set(id, { name, dueAt, resolve: resolve as (response: unknown) => void, reject });
      this.send({ call: name, args, id });
    });
  }

  /** Calls a method of which nobody waits for the end. */
  report<Name extends keyof Remote & string>(name: Name, ...args: Arguments<Remote[Name]>): void {
    this.send({ call: name, args });
  }

  /** Rejects what still waits, and all that comes. */
  close(reason: string): void {
    this.closedBecause ??= new Error(reason);
    this.stopLooking();
    for (const { reject } of this.waiting.values()) reject(this.closedBecause);
    this.waiting.clear();
  }

  /** One look at all, since a timer for each would cost more than most calls. */
  private giveUpOverdue(): void {
    const now = this.clock.monotonic();
    for (const [id, { name, dueAt, reject }] of this.waiting) {
      if (now < dueAt) continue;
      this.waiting.delete(id);
      reject(new CallTimeoutError(`${this.options.remote} did not respond to ${name} before the timeout`));
    }
  }

  private send(message: Message): void {
    if (this.closedBecause !== undefined) return this.close('');
    // The other process may end at any time; its exit is told by another event.
    this.end.send?.(message, undefined, undefined, () => {});
  }

  private receive(message: Message): void {
    if ('call' in message) return void this.respond(message.call, message.args, message.id);
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if ('error' in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.response);
  }

  private async respond(name: string, args: readonly unknown[], id: number | undefined): Promise<void> {
    try {
      const response = await (this.local as Record<string, AnyMethod>)[name]?.(...args);
      if (id !== undefined) this.send({ id, response });
    } catch (error) {
      if (id !== undefined) this.send({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** Other parts of Node may send messages of their own. */
function isOurs(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && ('call' in message || 'id' in message);
}
