import { AddressBlocks, plainAddress } from '../core/address-blocks.ts';
import { addressKey } from '../core/request-key.ts';

/** Counts the connections of each client address, of which no one may hold all that there are. */
export class AddressShares {
  private readonly open = new Map<string, number>();
  private most = Number.POSITIVE_INFINITY;
  private exempt = new AddressBlocks([]);

  /** Sets how many one address may hold, and which hold any number: those of proxies, behind which many clients are. */
  limit(most: number, exempt: readonly string[]): void {
    this.most = most;
    this.exempt = new AddressBlocks(exempt);
  }

  /** Takes a place for a connection from `address`; gives what frees it, or nothing where the address has its share. */
  take(address: string): (() => void) | undefined {
    const plain = plainAddress(address);
    const key = addressKey({ clientAddress: plain });
    const count = this.open.get(key) ?? 0;
    if (count >= this.most && !this.exempt.has(plain)) return undefined;
    this.open.set(key, count + 1);
    return () => this.free(key);
  }

  private free(key: string): void {
    const count = this.open.get(key) ?? 0;
    if (count > 1) this.open.set(key, count - 1);
    else this.open.delete(key);
  }
}
