import type { z } from 'zod';
import type { BodySource } from './body.ts';
import type { GatewayError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Identifier } from './identity/identifier.ts';
import type { Reply, ResponseHead } from './message.ts';
import type { Services } from './services.ts';

/** How a route's own entry meets a top-level one of the same name: it takes its place, or both run. */
export type PolicyCombination = 'replace' | 'stack';

/**
 * Where a policy stands in the compiled list: where it was written, or before all that may reject, so that what it
 * puts on an answer is on every answer (`cors`, `security-headers`, `request-id`). The `onResponse` and `onFinish` of
 * a `first` policy run even when another `first` one ended the chain before it.
 */
export type PolicyPosition = 'as-written' | 'first';

/**
 * A kind of policy: its name, the schema of its options, and how one use of it is made.
 * `Options` is the schema's output, defaults filled in.
 */
export interface Policy<Schema extends z.ZodType = z.ZodType, Name extends string = string> {
  /** As written in the configuration: `rate-limit`, or `acme/audit` for one of your own. */
  readonly name: Name;
  /** One sentence, for the reference. */
  readonly summary: string;
  /** The schema (zod) of its options. What it gives has to be data. */
  readonly options: Schema;
  /** How a route's own entry meets a top-level one. Default: `stack`. */
  readonly combination: PolicyCombination;
  /** Where it stands in the list. Default: `as-written`. */
  readonly position: PolicyPosition;
  /** Whether the policy may reject a request, and so may run with `observe: true`. */
  readonly refuses: boolean;
  /**
   * How long `onRequest` and `onResponse` may each take, in milliseconds; then the policy has failed. 0 where it has
   * bounds of its own. Default: 30 seconds.
   */
  readonly maxWaitMs: number;
  /**
   * What it has to do with who is calling: it finds that out, or decides by it. Neither can be merely observed, and of
   * those that identify a route has at most one.
   */
  readonly access: 'identifies' | 'authorizes' | 'none';
  /** The kind of auth services that its options `service` and `services` name, `main` where they name none. */
  readonly authServices?: 'by-key' | 'by-asking';
  /** The way to identify behind `create`, so that `any` can put several side by side. */
  createIdentifier?(options: z.output<Schema>, services: Services): Identifier | Promise<Identifier>;
  /** Makes the same policy with more that its options may name: those of one's own, for `any`. */
  including?(others: readonly Policy[]): Policy;
  /**
   * Finds what is wrong with options that fit the schema, and with the files that they name, when a configuration is loaded
   * or checked. Rejects where a file cannot be read.
   */
  findFaults?(options: z.output<Schema>, files: OptionFiles): Promise<readonly OptionFinding[]>;
  /** Origins such as `http://auth:9000` that this use sends requests to, found by `Services.upstream` under that name. */
  origins?(options: z.output<Schema>): readonly string[];
  /**
   * Makes one use of it, when a configuration is loaded. A throw or rejection, and what takes longer than 30 seconds, refuses
   * the configuration.
   */
  create(
    options: z.output<Schema>,
    services: Services,
    place?: PolicyPlace,
  ): PolicyInstance | Promise<PolicyInstance>;
}

/** Where one use of a policy is written. */
export interface PolicyPlace {
  /** Id of the route, `undefined` in the top-level list. */
  readonly route: string | undefined;
  /** The entry's `id`, if it has one. */
  readonly id: string | undefined;
  /** Whether it only observes: what it decides has no effect, so that it must not change requests. */
  readonly observes?: boolean;
}

/** The files that options name. A change of one that was read loads the configuration again. */
export interface OptionFiles {
  /** The folder of the configuration, from which they are found. */
  readonly folder: string;
  /** The path of the route that uses the policy, as it is written, where it is one. */
  readonly routePath?: string;
  /** Reads one. Rejects where it cannot be read. */
  read(path: string): Promise<string>;
  /** Makes what several uses need of a file once, under a key that tells what it is. */
  share<T>(key: string, make: () => Promise<T>): Promise<T>;
}

/** What is wrong with options, or deserves a look. */
export interface OptionFinding {
  /** From the options on. */
  readonly path: readonly PropertyKey[];
  /** What is wrong, and behind ' — ' what to write instead. */
  readonly text: string;
  /** Whether it is allowed, and only named. */
  readonly isDoubt?: boolean;
  /** Where it stands, where that is a file that the options name. */
  readonly place?: { readonly file: string; readonly line?: number; readonly column?: number };
}

/** What `onRequest` decides: nothing, so the chain goes on; an answer; or a failure of the catalogue as the answer. */
export type RequestOutcome = Reply | GatewayError | undefined | void;
/** What `onResponse` decides: as `onRequest`, or to put something around the body. */
export type ResponseOutcome =
  | RequestOutcome
  | {
      /** Gives what is sent in place of the body, chunk by chunk. Not called where a response has no body. */
      mapBody(source: BodySource): BodySource;
    };

/** One use of a policy in one Snapshot. Every method is synchronous when it can be. */
export interface PolicyInstance {
  /**
   * Runs before the upstream is asked. A `Reply` or `GatewayError` ends the chain and is the response, thrown or
   * returned; any other throw answers 500.
   */
  onRequest?(exchange: Exchange): RequestOutcome | Promise<RequestOutcome>;
  /** Runs when the response head is there, in reverse order. May change the head, map the body, or answer instead. */
  onResponse?(exchange: Exchange, response: ResponseHead): ResponseOutcome | Promise<ResponseOutcome>;
  /** Runs exactly once for each exchange whose `onRequest` began, whatever became of it: also while it is pending, when the client leaves. */
  onFinish?(exchange: Exchange): void;
  /** Runs when the Snapshot retires. */
  close?(): void | Promise<void>;
  /**
   * Makes what runs, on one route, in place of neighbours in its list that decide together: instances with this very
   * function, one or more, in their order.
   */
  readonly join?: (neighbours: readonly PolicyNeighbour[]) => readonly PolicyInstance[];
  /** The policy needs the whole request body, at most so many bytes of it, as `exchange.bodyBytes`. */
  readonly requestBody?: { readonly maxBytes: number };
}

/** One of several instances that stand side by side on a route. */
export interface PolicyNeighbour {
  readonly instance: PolicyInstance;
  readonly isObserved: boolean;
}

const MAX_WAIT_MS = 30_000;

/** Declares a policy, with the types of its options taken from its schema. */
export function definePolicy<Schema extends z.ZodType, const Name extends string = string>(
  policy: Pick<Policy<Schema, Name>, 'name' | 'options' | 'create'> & Partial<Policy<Schema>>,
): Policy<Schema, Name> {
  return {
    summary: '',
    combination: 'stack',
    position: 'as-written',
    refuses: false,
    maxWaitMs: MAX_WAIT_MS,
    access: 'none',
    ...policy,
  };
}
