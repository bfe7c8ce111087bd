import { createHash } from 'node:crypto';
import type { Exchange } from '../core/exchange.ts';
import { findFirstCookie } from '../core/fields/cookies.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { UpstreamTarget } from './upstream-target.ts';

/** Keeps a client with the target that answered it first, by a cookie that names the target without its address. */
export class StickyCookie {
  private readonly name: string;
  private readonly salt: string;
  private readonly tokens = new WeakMap<UpstreamTarget, string>();

  constructor(name: string, upstream: string) {
    this.name = name;
    this.salt = upstream;
  }

  /** Finds the target that the request's cookie names, if it is among `targets`. */
  find(exchange: Exchange, targets: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const token = this.read(exchange);
    return token === undefined ? undefined : targets.find((target) => this.tokenOf(target) === token);
  }

  /** Adds the cookie to a response, unless the client has it already. */
  write(exchange: Exchange, target: UpstreamTarget, headers: HeaderList): void {
    const token = this.tokenOf(target);
    if (this.read(exchange) === token) return;
    const secure = exchange.scheme === 'https' ? '; Secure' : '';
    headers.append('set-cookie', `${this.name}=${token}; Path=/; HttpOnly; SameSite=Lax${secure}`);
  }

  private read({ headers }: Exchange): string | undefined {
    return findFirstCookie(headers.get('cookie') ?? '', this.name);
  }

  private tokenOf(target: UpstreamTarget): string {
    let token = this.tokens.get(target);
    if (token === undefined) {
      token = createHash('sha256').update(`${this.salt}\0${target.name}`).digest('hex').slice(0, 16);
      this.tokens.set(target, token);
    }
    return token;
  }
}
