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
type Answer<Method> = Method extends (...args: never[]) => infer Result ? Awaited<Result> : never;
type AnyMethod = (...args: unknown[]) => unknown;

type Message =
  | { readonly call: string; readonly args: readonly unknown[]; readonly id?: number }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls the methods of `Remote`, which lives in another process, and answers calls of its own side's from there. */
export class Channel<Remote extends object> {
  private readonly end: ProcessEnd;
  private readonly local: object;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closedBecause: Error | undefined = undefined;

  constructor(end: ProcessEnd, local: object) {
    this.end = end;
    this.local = local;
    end.on('message', (message) => {
      if (isOurs(message)) this.receive(message);
    });
  }

  /** Calls a method and waits for what it returns. Rejects with its message where it throws, and when the channel closes. */
  call<Name extends keyof Remote & string>(
    name: Name,
    ...args: Arguments<Remote[Name]>
  ): Promise<Answer<Remote[Name]>> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.send({ call: name, args, id });
    });
  }

  /** Calls a method of which nobody waits for the end. */
  tell<Name extends keyof Remote & string>(name: Name, ...args: Arguments<Remote[Name]>): void {
    this.send({ call: name, args });
  }

  /** Rejects what still waits, and all that comes. */
  close(reason: string): void {
    this.closedBecause ??= new Error(reason);
    for (const { reject } of this.waiting.values()) reject(this.closedBecause);
    this.waiting.clear();
  }

  private send(message: Message): void {
    if (this.closedBecause !== undefined) return this.close('');
    // The other process may end at any time; its exit is told by another event.
    this.end.send?.(message, undefined, undefined, () => {});
  }

  private receive(message: Message): void {
    if ('call' in message) return void this.answer(message.call, message.args, message.id);
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if ('error' in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.answer);
  }

  private async answer(name: string, args: readonly unknown[], id: number | undefined): Promise<void> {
    try {
      const answer = await (this.local as Record<string, AnyMethod>)[name]?.(...args);
      if (id !== undefined) this.send({ id, answer });
    } catch (error) {
      if (id !== undefined) this.send({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** Other parts of Node may send messages of their own. */
function isOurs(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && ('call' in message || 'id' in message);
}
