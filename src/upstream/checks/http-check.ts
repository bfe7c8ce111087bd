import { EMPTY_BODY } from '../../core/body.ts';
import type { GatewayError } from '../../core/errors.ts';
import { HeaderList } from '../../core/header-list.ts';
import type {
  OngoingExchange,
  ResponseHead,
  ResponseSink,
  Target,
  TargetRequest,
} from '../../core/message.ts';
import { type CheckResult, type HealthCheck, NO_VERDICT } from './health-check.ts';

export interface HttpCheckSettings {
  readonly path: string;
  /** Statuses that pass; `undefined` for 200 to 299. */
  readonly statuses: ReadonlySet<number> | undefined;
  /** Text that the body must hold. */
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

/** How much of a body is read. */
const BODY_BYTES = 64 * 1024;

/** Passes where a GET is answered with the right status and body. `target` should be used for nothing else. */
export function httpCheck(target: Target, settings: HttpCheckSettings): HealthCheck {
  return {
    run(onResult) {
      let ongoing: OngoingExchange | undefined;
      const sink = new CheckSink(settings, onResult, () => ongoing?.cancel());
      ongoing = target.exchange(requestFor(target, settings), sink);
      return () => {
        sink.leave();
        ongoing?.cancel();
      };
    },
  };
}

function requestFor(target: Target, { path, timeoutMs }: HttpCheckSettings): TargetRequest {
  return {
    method: 'GET',
    path,
    host: target.authority ?? target.name,
    headers: HeaderList.from({ 'user-agent': 'sallyport-health-check' }),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    responseTimeoutMs: timeoutMs,
  };
}

/** Judges a response. */
class CheckSink implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  private readonly settings: HttpCheckSettings;
  private readonly cancel: () => void;
  private onResult: ((failure: CheckResult) => void) | undefined;
  private text = '';

  constructor(settings: HttpCheckSettings, onResult: (failure: CheckResult) => void, cancel: () => void) {
    this.settings = settings;
    this.onResult = onResult;
    this.cancel = cancel;
  }

  leave(): void {
    this.onResult = undefined;
  }

  informational(): void {}

  head({ status }: ResponseHead): void {
    const { statuses, body } = this.settings;
    const passes = statuses === undefined ? status >= 200 && status < 300 : statuses.has(status);
    if (!passes) this.settle(`status ${status}`);
    else if (body === undefined) this.settle(undefined);
  }

  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString('latin1');
    if (this.text.length > BODY_BYTES) {
      this.end();
      this.cancel();
    }
    return true;
  }

  end(): void {
    const { body = '' } = this.settings;
    const isFound = this.text.includes(Buffer.from(body).toString('latin1'));
    this.settle(isFound ? undefined : 'the body does not hold what it should');
  }

  abort(error: GatewayError): void {
    const { cause } = error;
    if (error.code === 'GW_RESOURCES_EXHAUSTED') return this.settle(NO_VERDICT);
    this.settle(cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : error.message);
  }

  flush(): void {}

  switchProtocols(): void {
    this.cancel();
    this.settle('status 101');
  }

  private settle(failure: CheckResult): void {
    const report = this.onResult;
    this.onResult = undefined;
    report?.(failure);
  }
}
